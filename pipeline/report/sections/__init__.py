"""The sections of a report, one module each: what stands in the words and tables, and the pictures beside them."""

FEW_GROUPS = 30  # of a class in the test part; below, the page warns
