"""Words that the results of surveys share."""

from cnnviz_jax.plugin import Dataset, Provenance


def class_names(dataset: Dataset, classes: int) -> tuple[str, ...]:
    """Return a name for each class: the data set's own, then `class 3` and so on."""
    own = dataset.class_names[:classes]
    return (*own, *(f"class {i}" for i in range(len(own), classes)))


def unread(provenance: Provenance) -> tuple[str, ...]:
    """Return what is to be said of images that could not be read: nothing where all could."""
    reasons = dict(provenance.notes)["unreadable"]
    return (f"{len(reasons)} images could not be read, such as {reasons[0]}",) if reasons else ()
