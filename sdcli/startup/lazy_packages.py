"""Packages of other people whose `__init__` waits until somebody asks for what it makes."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class Package:
    """What of a package can be had before it has run: names, and modules, or any of its modules."""

    names: Mapping[str, Any] = field(default_factory=dict)
    modules: Collection[str] | None = None


def _marked(it: Any = None, /, *_: Any, **__: Any) -> Any:
    """Stand in for a decorator that tells a compiler something."""
    return _marked if it is None else it


UNUSED: Mapping[str, Package] = {
    # They import all that stands in their folders, or read all its files, whichever is wanted.
    "diffusers.models.autoencoders": Package(),
    "diffusers.models.transformers": Package(),
    "diffusers.models.unets": Package(),
    "transformers.models": Package(),
}
COMPILER: Mapping[str, Package] = {
    # Both libraries mark some of their functions for it.
    "torch._dynamo": Package(
        dict.fromkeys(("allow_in_graph", "assume_constant_result", "disable"), _marked),
        {"torch._dynamo._trace_wrapped_higher_order_op"},
    )
}


def postpone(packages: Mapping[str, Package]) -> None:
    """Let later imports of these packages, or of modules in them, leave their `__init__` out.

    It runs at the first question for what they do not have yet, so that nobody can tell but by the
    time. Packages that are imported already stay as they are.
    """
    finder = _Finder(packages)
    if finder not in sys.meta_path:
        sys.meta_path.insert(0, finder)


@dataclass(frozen=True, slots=True)
class _Finder(MetaPathFinder):
    packages: Mapping[str, Package]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        outer = fullname.rpartition(".")[0]
        if outer in self.packages:
            package, alone = sys.modules[outer], self.packages[outer].modules
            if isinstance(package, Postponed) and alone is not None and fullname not in alone:
                package.run()
        if fullname not in self.packages:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader:
            spec.loader = _Later(spec.loader, self.packages[fullname].names)
        return spec


class _Later(Loader):
    """Loads a package as one that is still to run."""

    def __init__(self, loader: Loader, names: Mapping[str, Any]) -> None:
        self._loader = loader
        self._names = names

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Postponed(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        assert isinstance(module, Postponed)
        assert module.__spec__
        module.__spec__.loader = module.__loader__ = self._loader
        vars(module).update(self._names, __lock=RLock(), __waiting=self._loader.exec_module)


class Postponed(ModuleType):
    """A package that is imported, but has not run."""

    def run(self) -> None:
        """Run it, unless that was done; what it raises is raised, now and the next time."""
        own = vars(self)
        with own["__lock"]:
            if waiting := own.pop("__waiting", None):
                try:
                    waiting(self)
                except BaseException:
                    own["__waiting"] = waiting
                    raise

    def __getattr__(self, name: str) -> Any:
        own = vars(self)
        if "__lock" not in own:  # the import system looks at it before it is ready
            raise AttributeError(name)
        self.run()
        now = sys.modules[self.__name__]
        if now is not self:  # some put another module in their own place
            return getattr(now, name)
        if name in own:
            return own[name]
        if "__getattr__" in own:
            return own["__getattr__"](name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def waiting() -> set[str]:
    """Return the packages that have not run."""
    return {
        name
        for name, module in sys.modules.items()
        if isinstance(module, Postponed) and "__waiting" in vars(module)
    }
