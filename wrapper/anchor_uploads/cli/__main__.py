import sys

from anchor_uploads.cli import main

sys.exit(main())
