"""`python -m gateway` is the command `forebay`."""

import sys

from gateway.cli.main import main

sys.exit(main())
