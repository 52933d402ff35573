"""What is wrong with an installation, and how to mend it. Looks at everything and changes nothing."""

from service.doctor.examine import examine
from service.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "examine"]
