"""The sections of an experiment's page: one module or package each, with an object SECTION; all are found here."""

FEW_GROUPS = 30  # of a class or subset of the test part; with fewer, an interval is rough
