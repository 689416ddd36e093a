"""How models are copied, and why they are not pickled."""

import copy
from typing import Any, Self

from cnnviz_jax.errors import ModelError


class Copied:
    """What holds parameters of its own and a structure that nobody writes to."""

    params: Any
    structure: Any

    def __copy__(self) -> Self:
        return type(self)(self.params, self.structure)  # type: ignore[call-arg]  # the fields of a `Model`

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the model with parameters of its own; what was read of it is never written to, and shared."""
        return type(self)(copy.deepcopy(self.params, memo), self.structure)  # type: ignore[call-arg]  # the same

    def __reduce__(self) -> Any:
        raise ModelError(
            f"{self.structure.name} cannot be pickled: it holds a traced program and the functions that it was traced "
            "from; pickle what was adapted (the module and its parameters) and call cv.adapt again where it is read, "
            "or name a factory for cv.load_model"
        )
