"""Start the command line by `python -m emotion`."""

import sys

from emotion.cli.main import main

sys.exit(main())
