"""Examples without time: songs by genre, looked up among artists; each row is seen as it is now."""

import dataframely as dy
import polars as pl

from ml_platform import Derived, Examples, Files, LightGBM, Lookup, ModelPipeline, Split, Table


class Songs(dy.Schema):
    """One song. `artist`, the join, may be null; `genre` is a label of several classes that is always known."""

    song = dy.Int64(primary_key=True)
    artist = dy.String(nullable=True)
    genre = dy.String()


class Artists(dy.Schema):
    """Who sings. `born` may be missing, and a derived feature is computed from it after the lookup."""

    artist = dy.String(primary_key=True)
    born = dy.Int64(nullable=True)


def songs() -> ModelPipeline:
    return ModelPipeline(
        "songs",
        trainer=LightGBM(),
        split=Split(validation=0.1, holdout=0.2),
        tables=(Table("songs", Files("songs.csv"), Songs), Table("artists", Files("artists.csv"), Artists)),
        examples=Examples("songs", "song", ("artist",), label="genre"),
        features=(Lookup("artists", on="artist", take=["born"]), Derived(age=2023 - pl.col("artists__born"))),
    )
