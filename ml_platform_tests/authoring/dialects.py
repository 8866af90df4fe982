"""CSV files as they are found: what separates their cells, and whether their first line names them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Dialect:
    """A file's text, and how a person would read it."""

    text: str
    separator: str
    header: bool = True

    def write(self, folder: Path) -> Path:
        file = folder / "things.csv"
        file.write_bytes(self.text.encode())
        return file


def _rows(header: str, row: Callable[[int], str], count: int = 60) -> str:
    return "".join(f"{line}\n" for line in (header, *map(row, range(count))))


# Both sniffers read these.
ORDINARY = {
    "commas": Dialect(_rows("a,b", lambda n: f"{n},x"), ","),
    "semicolons around some decimal commas": Dialect(_rows("name;price", lambda n: f"n{n};{n},25"), ";"),
    "tabs": Dialect(_rows("a\tb\tc", lambda n: f"{n}\tx, y\t{n}"), "\t"),
    "bars": Dialect(_rows("a|b", lambda n: f"{n}|{n}.5"), "|"),
    "lists between bars in a cell": Dialect(_rows("a,b", lambda n: f"{n},x|y|z"), ","),
    "quoted line breaks": Dialect(_rows("a;b", lambda n: f'{n};"line\nof, text"'), ";"),
    "doubled quotes": Dialect(_rows("a,b", lambda n: f'{n},"say ""hi"", {n}"'), ","),
    "apostrophes": Dialect(_rows("a,b", lambda n: f"{n},it's"), ","),
    "an inch": Dialect(_rows("a;b", lambda n: f'{n};5" pipe'), ";"),
    "objects of JSON": Dialect(_rows("key,doc", lambda n: f'{n},"{{""a"": {n}, ""b"": 2}}"'), ","),
    "a header alone": Dialect("a;b;c\n", ";"),
    "no last line break": Dialect("a;b;c", ";"),
    "words alone": Dialect(_rows("colour,answer", lambda n: f"{['red', 'blue'][n % 2]},yes"), ","),
    "a sign for comments among the names": Dialect(_rows("#,name", lambda n: f"{n},x"), ","),
    "a mark at the start": Dialect("\ufeff" + _rows('"a","b"', lambda n: f'"{n}","x"'), ","),
    "line ends of Windows": Dialect(_rows("a;b", lambda n: f"{n};x").replace("\n", "\r\n"), ";"),
    "line ends of the Macintosh": Dialect(_rows("a;b", lambda n: f"{n};x").replace("\n", "\r"), ";"),
    "hundreds of columns": Dialect(_rows(",".join(f"c{n}" for n in range(900)), lambda n: ",".join(["1"] * 900)), ","),
    "no header, days": Dialect(_rows("2024-01-01,7", lambda n: f"2024-01-{n % 28 + 1:02},{n}"), ",", header=False),
}

# DuckDB's `sniff_csv` takes another separator.
ANOTHER_SEPARATOR = {
    "a row that is too long": Dialect(_rows("a,b,c", lambda n: f"{n},x,y{',z' if n == 30 else ''}"), ","),
    "names of rows without a name of their own": Dialect(_rows("weight,feed", lambda n: f"{n},{n}.5,1"), ","),
    "a size and two classes first": Dialect(
        _rows("178,4,red,blue", lambda n: f"{n},{n}.5,{n},{n},1"), ",", header=False
    ),
    "quoted decimal commas between tabs": Dialect(
        _rows('"when"\t"price"', lambda n: f'"2024-01-{n % 28 + 1:02} 10:00:00"\t"{n},{n % 90 + 10}"'), "\t"
    ),
}

# DuckDB's `sniff_csv` takes names for data, or data for names.
ANOTHER_HEADER = {
    "a first column without a name": Dialect(_rows(",a", lambda n: f"{n},x"), ","),
    "a row of flowers": Dialect(_rows("5.1,3.5,setosa", lambda n: f"{n / 10},{n},virginica"), ",", header=False),
    "years": Dialect(_rows("name,2019,2020", lambda n: f"n{n},{n},{n + 1}"), ","),
    "numbers that count up": Dialect(_rows("0,1,2", lambda n: f"{n},{n},{n}"), ","),
    "a value among names": Dialect(_rows("5.1,sepal,species", lambda n: f"{n / 10},{n},x"), ",", header=False),
}
