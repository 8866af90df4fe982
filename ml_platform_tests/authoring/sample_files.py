"""Files as people have them: clean, messy, by month."""

import csv
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

MESSY = ["Order ID", "Ordered At", "Monthly Charges (€)", "Region", "is-member?", "Quantity", "class", "Zip", "Empty"]
MESSY += ["Weight KG", "weight kg", "Batch", "First Seen", "Refunded"]


def write(file: Path, names: Sequence[str], rows: Iterable[Sequence[object]], separator: str = ",") -> Path:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, delimiter=separator)
        writer.writerow(names)
        writer.writerows(rows)
    return file


def messy(file: Path, count: int = 400, hours: int = 4) -> Path:
    """Orders with odd names, semicolons, decimal commas, local times, blanks, tokens for nulls; East refunds more."""
    dice, start = random.Random(1), datetime(2025, 1, 1)
    rows = []
    for number in range(count):
        region, price = dice.choice(["North", "South ", "East", "West"]), round(dice.gammavariate(3, 400), 2)
        weight = f"{dice.gauss(50, 10):.2f}".replace(".", ",")
        refunded = dice.random() < (0.8 if region == "East" else 0.2)
        rows.append(
            [
                f"O-{number:05}",
                f"{start + timedelta(hours=hours * number):%d.%m.%Y %H:%M}",
                f"{price:,.2f}".translate(str.maketrans(",.", ".,")),
                region,
                dice.choice(["yes", "no"]),
                "n/a" if dice.random() < 0.05 else dice.randint(1, 9),
                dice.choice("ABC"),
                f"{dice.randint(0, 99999):05}",
                "",
                weight,
                weight,
                "B1",
                f"{start - timedelta(days=dice.randint(1, 900)):%d/%m/%Y}",
                "ja" if refunded else "nein",
            ]
        )
    return write(file, MESSY, rows, ";")


def flowers(file: Path, count: int = 300) -> Path:
    """Three species, no key and no time."""
    dice = random.Random(2)
    means = {"setosa": 1.5, "versicolor": 4.3, "virginica": 5.5}
    rows = []
    for _ in range(count):
        species = dice.choice(list(means))
        rows.append([round(dice.gauss(means[species], 1.2), 1), round(dice.gauss(3, 0.4), 1), species])
    return write(file, ["petal.length", "sepal.width", "species"], rows)


def sales(file: Path, count: int = 1500) -> Path:
    """An hour a row, in UTC with its offset: what was sold is the sum of two columns, and follows the temperature."""
    dice, start = random.Random(3), datetime(2024, 1, 1, tzinfo=UTC)
    rows = []
    for number in range(count):
        warm = round(dice.gauss(15, 8), 1)
        shop, web = dice.randint(0, 20), max(0, int(2 * warm + dice.gauss(40, 5)))
        when = start + timedelta(hours=2 * number)
        rows.append([number, f"{when:%Y-%m-%dT%H:%M:%SZ}", warm, dice.random() < 0.5, shop, web, shop + web])
    return write(file, ["id", "hour", "temperature", "open", "shop", "web", "sales"], rows)
