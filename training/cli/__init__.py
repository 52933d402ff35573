"""Training's commands, a module for each group of them. `service/cli` loads them by name, so that the service never imports
training or torch; heavy imports stand inside the commands, so that `senka --help` stays quick."""
