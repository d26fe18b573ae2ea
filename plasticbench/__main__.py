"""`python -m plasticbench`."""

import sys

from .cli import main

sys.exit(main())
