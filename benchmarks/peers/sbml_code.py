"""An exported scenario (SBML) as Python source: what a user of SciPy or diffrax would write by hand, for numba or for JAX.

Every function takes c, the vector of all numbers that are constant between events. `Model.source` has

    setup(c)          -> (c, y0)  computed constants filled in, states at the start
    rates(t, y, c)    -> dy/dt    t: days since the start
    observe(t, y, c)  -> observables
    jump(k, t, y, c)  -> (c, y)   event k
"""

import xml.etree.ElementTree as xml

SBML = "{http://www.sbml.org/sbml/level3/version2/core}"
MATHML = "{http://www.w3.org/1998/Math/MathML}"
INFIX = {"plus": " + ", "minus": " - ", "times": " * ", "divide": " / ", "power": " ** ", "gt": " > ", "geq": " >= ", "lt": " < ", "leq": " <= "}


def expression(node, names, is_jax):
    """Python for a node of MathML; `names` collects the identifiers that it reads."""
    tag = node.tag.removeprefix(MATHML)
    inner = lambda child: expression(child, names, is_jax)  # noqa: E731
    if tag == "math":
        return inner(node[0])
    if tag == "ci":
        names.add(node.text.strip())
        return node.text.strip()
    if tag == "csymbol":
        return "t"
    if tag == "cn":
        parts = [node.text.strip(), *(part.tail.strip() for part in node)]
        return f"{float('e'.join(parts))!r}"
    if tag == "piecewise":
        text = inner(node.find(f"{MATHML}otherwise")[0])
        for piece in reversed(node.findall(f"{MATHML}piece")):
            value, condition = inner(piece[0]), inner(piece[1])
            text = f"jnp.where({condition}, {value}, {text})" if is_jax else f"({value} if {condition} else {text})"
        return text
    operator, *arguments = node
    name = operator.tag.removeprefix(MATHML)
    values = [inner(a) for a in arguments]
    if name in INFIX:
        return f"(-{values[0]})" if name == "minus" and len(values) == 1 else f"({INFIX[name].join(values)})"
    function = {"exp": "exp", "ln": "log", "root": "sqrt", "max": "maximum"}[name]
    if function == "maximum" and not is_jax:
        return f"max({', '.join(values)})"
    return f"{'jnp' if is_jax else 'np'}.{function}({', '.join(values)})"


class Model:
    """Vectors of names (constants, states, observables), event times, and the source of the functions."""

    def __init__(self, text, states, observables, is_jax=False):
        root = xml.fromstring(text).find(f"{SBML}model")
        self.is_jax, self.states, self.observables = is_jax, states, observables
        value = {p.get("id"): float(p.get("value", "nan")) for p in root.iter(f"{SBML}parameter")}
        self.initial = self._maths(root, "initialAssignment", "symbol")
        self.rules = self._maths(root, "assignmentRule", "variable")
        self.rate = self._maths(root, "rateRule", "variable")
        assert set(self.rate) == set(states), "the states of the export are others"
        self.constants = [name for name in value if name not in self.rules and name not in self.rate]
        self.values = [value[name] for name in self.constants]
        self.events = []
        for event in root.iter(f"{SBML}event"):
            time = float(event.find(f"{SBML}trigger/{MATHML}math/{MATHML}apply/{MATHML}cn").text)
            self.events.append((time, self._maths(event, "eventAssignment", "variable")))
        self.source = "\n\n".join([self._setup(), self._function("rates", states, self.rate), self._function("observe", observables, {}), self._jump()])

    def _maths(self, parent, kind, key):
        found = {}
        for node in parent.iter(f"{SBML}{kind}"):
            names = set()
            found[node.get(key)] = (expression(node.find(f"{MATHML}math"), names, self.is_jax), names)
        return found

    def _lines(self, wanted, own):
        """Reads what `wanted` (names) needs of c and y, and the rules in an order in which each finds its own needs done."""
        lines, done = [], set()

        def need(name):
            if name in done:
                return
            done.add(name)
            if name in own or name in self.rules:
                text, names = own[name] if name in own else self.rules[name]
                for other in sorted(names):
                    need(other)
                lines.append(f"{name} = {text}")
            elif name in self.rate:
                lines.append(f"{name} = y[{self.states.index(name)}]")
            else:
                lines.append(f"{name} = c[{self.constants.index(name)}]")

        for name in wanted:
            need(name)
        return lines

    def _vector(self, values):
        if self.is_jax:
            return [f"return jnp.stack([{', '.join(values)}])"]
        return [f"out = np.empty({len(values)})", *(f"out[{i}] = {v}" for i, v in enumerate(values)), "return out"]

    def _define(self, head, lines):
        return "\n    ".join([f"def {head}:", *lines])

    def _function(self, name, wanted, maths):
        """wanted[i] is maths[wanted[i]] where there is such, else the variable itself."""
        needs = sorted(set().union(*(names for _, names in maths.values()))) if maths else wanted
        return self._define(f"{name}(t, y, c)", self._lines(needs, {}) + self._vector([maths[w][0] if maths else w for w in wanted]))

    def _setup(self):
        own = {name: maths for name, maths in self.initial.items()}
        computed = [name for name in self.constants if name in own]
        hidden = Model.__new__(Model)  # at the start a state is its initial assignment
        hidden.rules, hidden.rate, hidden.states, hidden.constants = self.rules, {}, [], self.constants
        lines = hidden._lines([*computed, *self.states], own)
        lines += self._changes("c", [(self.constants.index(name), name) for name in computed])
        return self._define("setup(c)", [*lines, *self._vector(self.states)[:-1], self._both("out", self.states)])

    def _changes(self, array, changes):
        if self.is_jax:
            return [f"{array} = {array}.at[{i}].set({name})" for i, name in changes]
        return [f"{array}[{i}] = {name}" for i, name in changes]

    def _both(self, out, values):
        return f"return c, jnp.stack([{', '.join(values)}])" if self.is_jax else f"return c, {out}"

    def _jump(self):
        """All values are computed before any is changed."""
        lines = []
        for k, (_, changes) in enumerate(self.events):
            names = sorted(set().union(*(names for _, names in changes.values())))
            body = self._lines(names, {}) + [f"new_{target} = {text}" for target, (text, _) in changes.items()]
            for array, known in (("y", self.states), ("c", self.constants)):
                body += self._changes(array, [(known.index(target), f"new_{target}") for target in changes if target in known])
            lines += [f"if k == {k}:", *("    " + line for line in body)]
        return self._define("jump(k, t, y, c)", [*lines, "return c, y"])

    def functions(self, decorate=lambda f: f):
        if self.is_jax:
            import jax.numpy as jnp

            scope = {"jnp": jnp}
        else:
            import numpy as np

            scope = {"np": np}
        exec(self.source, scope)  # noqa: S102  (written above)
        return tuple(decorate(scope[name]) for name in ("setup", "rates", "observe", "jump"))
