"""The optimizers, one file each; every module here is found automatically and registers a function that makes one."""
