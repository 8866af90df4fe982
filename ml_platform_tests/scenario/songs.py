"""Songs by genre: examples without time."""

import dataframely as dy
import polars as pl

from ml_platform import Derived, Examples, Files, LightGBM, Lookup, ModelPipeline, Split, Table


class Songs(dy.Schema):
    song = dy.Int64(primary_key=True)
    artist = dy.String(nullable=True)
    genre = dy.String()


class Artists(dy.Schema):
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
