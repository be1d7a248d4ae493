"""`python -m anchor_uploads`: the command, where its own name is not on the path."""

import sys

from anchor_uploads.cli import main

sys.exit(main())
