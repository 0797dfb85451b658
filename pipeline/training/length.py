"""How much of a configuration's training takes place, and when val is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Length:
    """A part of the steps of `n_epochs`.

    stops: rising shares of these steps after which val is measured, the last one ends the training; empty: train them
    all and measure after every epoch. whole: the learning-rate schedule ends at the last stop, as in a training that
    was meant to be this short; otherwise the training is the start of the full one.
    """

    stops: tuple[float, ...] = ()
    whole: bool = True

    def checks(self, n_steps: int, n_epochs: int) -> list[int]:
        """Return the numbers of steps, counted from the start, after which val is measured. n_steps: of an epoch."""
        total = n_steps * n_epochs
        if not self.stops:
            return list(range(n_steps, total + 1, n_steps))
        return [max(1, round(share * total)) for share in self.stops]

    def scheduled(self, n_steps: int, n_epochs: int) -> int:
        """Return the number of steps that the learning-rate schedule is made for. n_steps: of an epoch."""
        return self.checks(n_steps, n_epochs)[-1] if self.whole else n_steps * n_epochs
