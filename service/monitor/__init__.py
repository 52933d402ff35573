"""What watches the service: alarms."""
