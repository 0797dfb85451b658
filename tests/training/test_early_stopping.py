"""Early stopping, by hand."""

from pipeline.training.early_stopping import EarlyStopping


def test_a_training_stops_once_patience_epochs_brought_no_lower_loss() -> None:
    stopping = EarlyStopping(patience=2)
    due = []
    for epoch, loss in enumerate([3.0, 2.0, 2.0, 1.5, 1.6, 1.5], start=1):
        stopping.update(epoch, loss)
        due.append(stopping.is_due(epoch))
    assert due == [False, False, False, False, False, True]
    assert (stopping.best_epoch, stopping.best_loss) == (4, 1.5)


def test_without_patience_it_never_stops() -> None:
    assert not EarlyStopping(patience=0).is_due(1000)
