"""The learning-rate schedules, one file each, found automatically: how lr changes from step to step."""
