"""What the config of a technique is by its kind, for signatures: `ExplainConfig`, `InspectConfig[FilterBank]` and kin.

A plugin derives nothing from these: every config that `technique` made is one, by the record that it carries. Light.
"""

from __future__ import annotations

import abc
from typing import Any, ClassVar, Generic, TypeVar

from cnnviz_jax.plugins.specs import Kind, TechniqueSpec

Returned_co = TypeVar("Returned_co", covariant=True)


class TechniqueConfig(abc.ABC):
    """A technique with its options, as `cv.techniques` has them: it may stand where its name may."""

    __technique__: ClassVar[TechniqueSpec]
    """The technique's record."""
    _kind: ClassVar[Kind | None] = None

    @classmethod
    def __subclasshook__(cls, other: type) -> Any:
        """Whether a class carries the record of a technique, of this kind where this is one kind's."""
        record = getattr(other, "__technique__", None)
        return isinstance(record, TechniqueSpec) and cls._kind in (None, record.kind)


class ExplainConfig(TechniqueConfig):
    """An explain technique with its options."""

    _kind = "explain"


class SynthesizeConfig(TechniqueConfig):
    """A synthesize technique with its options."""

    _kind = "synthesize"


class MeasureConfig(TechniqueConfig):
    """A measure with its options."""

    _kind = "measure"


class InspectConfig(TechniqueConfig, Generic[Returned_co]):
    """An inspect technique with its options, by the class of what it returns."""

    _kind = "inspect"


class DictionaryConfig(TechniqueConfig):
    """A technique that learns a dictionary, with its options."""

    _kind = "dictionary"


class SurveyConfig(TechniqueConfig, Generic[Returned_co]):
    """A survey technique with its options, by the class of what it returns."""

    _kind = "survey"
