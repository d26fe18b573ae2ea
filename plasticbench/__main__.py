"""`python -m plasticbench`."""

import sys

from plasticbench.command_line.cli import main

sys.exit(main())
