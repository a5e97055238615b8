"""A family of methods as a namespace: wn.select.balanced(X, ...); wn.curate(X, ...) is its default."""


class Family:
    _name = _default = None

    def __call__(self, *args, **kwargs):
        if self._default is None:
            raise TypeError(f"wn.{self._name} is no function: name a method, one of "
                            + ", ".join(self._methods()))
        return getattr(self, self._default)(*args, **kwargs)

    def _methods(self):
        return [n for n in dir(type(self)) if not n.startswith("_")]

    def __repr__(self):
        return f"<winnow.{self._name}: {', '.join(self._methods())}>"
