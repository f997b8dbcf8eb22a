"""Java sources of the tuples that HumanEval's Java tests name (`org.javatuples.Pair`), written here to their interface.

MultiPL-E (arXiv 2208.08227) translates Python's tuples to the javatuples library. One class a size, one to five.
"""

_NAMES = ("Unit", "Pair", "Triplet", "Quartet", "Quintet")

_TUPLE = """package org.javatuples;
import java.util.*;
public abstract class Tuple implements Iterable<Object>, Comparable<Tuple>, java.io.Serializable {
    private final List<Object> values;
    Tuple(Object... values) { this.values = Collections.unmodifiableList(Arrays.asList(values)); }
    public abstract int getSize();
    public Object getValue(int place) { return values.get(place); }
    public Iterator<Object> iterator() { return values.iterator(); }
    public boolean contains(Object value) { return values.contains(value); }
    public int indexOf(Object value) { return values.indexOf(value); }
    public List<Object> toList() { return values; }
    public Object[] toArray() { return values.toArray(); }
    @Override public String toString() { return values.toString(); }
    @Override public int hashCode() { return values.hashCode(); }
    @Override public boolean equals(Object other) {
        return other != null && other.getClass() == getClass() && values.equals(((Tuple) other).values);
    }
    @SuppressWarnings({"unchecked", "rawtypes"})
    public int compareTo(Tuple other) {
        for (int i = 0; i < Math.min(getSize(), other.getSize()); i++) {
            int order = ((Comparable) values.get(i)).compareTo(other.values.get(i));
            if (order != 0) return order;
        }
        return Integer.compare(getSize(), other.getSize());
    }
}
"""


def sources() -> dict[str, str]:
    """File name -> source text."""
    return {"Tuple.java": _TUPLE} | {f"{name}.java": _source(name, size) for size, name in enumerate(_NAMES, 1)}


def _source(name: str, size: int) -> str:
    places = range(size)
    types = ", ".join("ABCDE"[:size])
    whole = f"{name}<{types}>"
    parameters = ", ".join(f"{'ABCDE'[i]} value{i}" for i in places)
    values = ", ".join(f"value{i}" for i in places)
    lines = ["package org.javatuples;", f"public final class {whole} extends Tuple {{"]
    lines += [f"    private final {'ABCDE'[i]} value{i};" for i in places]
    lines += [f"    public {name}({parameters}) {{", f"        super({values});"]
    lines += [f"        this.value{i} = value{i};" for i in places]
    lines += ["    }", f"    public static <{types}> {whole} with({parameters}) {{ return new {name}<>({values}); }}"]
    lines += [f"    @Override public int getSize() {{ return {size}; }}"]
    for i in places:
        letter = "ABCDE"[i]
        changed = f"{name}<{types.replace(letter, 'X')}>"
        others = ", ".join("value" if j == i else f"value{j}" for j in places)
        lines += [f"    public {letter} getValue{i}() {{ return value{i}; }}"]
        lines += [f"    public <X> {changed} setAt{i}(X value) {{ return new {name}<>({others}); }}"]
    return "\n".join([*lines, "}", ""])
