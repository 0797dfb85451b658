"""Every registered model, for tests that run over all of them."""

from pipeline.models.registry import registry

SMALL_VARIANTS = {"timm": "test_resnet"}  # where the first variant of a family is slow to build


def _example(family: str) -> str:
    variants = registry()[family].variants
    if not variants:
        return family
    return f"{family}:{SMALL_VARIANTS.get(family) or next(iter(variants()))}"


MODELS = [_example(family) for family in registry()]
