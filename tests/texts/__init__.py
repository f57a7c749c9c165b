"""Everything that people read, on one page: `python -m tests.texts`, to be read in one sitting."""
