"""What is written can be read by older programs: no nullable strings of any type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse
from scsiameseclu.files import read_table, write_h5ad, write_table

if TYPE_CHECKING:
    from pathlib import Path

OLD = {
    *("", "dict", "dataframe", "csr_matrix", "array", "string-array", "string", "categorical"),
    *("nullable-integer", "nullable-boolean", "anndata"),
}
"""Encodings that anndata 0.10 reads."""


def encodings(path: Path) -> set[str]:
    """Return the types of everything in an h5ad."""
    with h5py.File(path) as file:
        found = {str(file.attrs["encoding-type"])}
        file.visititems(lambda _, item: found.add(str(item.attrs.get("encoding-type", ""))))
    return found


def texts() -> ad.AnnData:
    """Return cells and genes with every type of text."""
    obs = pd.DataFrame(
        {
            "missing": pd.array(["x", None, "y", "z"], dtype="string"),
            "different": pd.array(["x", "y", "z", "w"], dtype="string"),
            "category": pd.Categorical(pd.array(["p", "q", None, "q"], dtype="string")),
            "plain": ["p", None, "p", "q"],
            "whole": pd.array([1, None, 2, 3], dtype="Int64"),
        },
        index=pd.Index(list("abcd"), dtype="string"),
    )
    var = pd.DataFrame({"name": pd.array(["u", "v"], dtype="string")}, index=["g1", "g2"])
    adata = ad.AnnData(sparse.csr_matrix(np.ones((4, 2))), obs=obs, var=var)
    adata.uns["table"] = pd.DataFrame(
        {"name": pd.array(["a", "b"], dtype="string")}, index=["0", "1"]
    )
    return adata


def test_text_of_any_type_is_written_so_that_older_programs_read_it(tmp_path: Path) -> None:
    path = tmp_path / "x.h5ad"
    write_h5ad(texts(), path)
    assert encodings(path) <= OLD
    read = ad.read_h5ad(path)
    assert read.obs_names.tolist() == list("abcd")
    assert read.obs["different"].tolist() == ["x", "y", "z", "w"]
    for column in ("missing", "plain"):
        assert read.obs[column].isna().tolist() == [False, True, False, False]
    assert read.obs["category"].isna().tolist() == [False, False, True, False]
    assert read.var["name"].tolist() == ["u", "v"]
    assert read.uns["table"]["name"].tolist() == ["a", "b"]


def test_allowing_nullable_strings_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.h5ad"
    if not hasattr(ad.settings, "allow_write_nullable_strings"):
        return
    with ad.settings.override(allow_write_nullable_strings=True):
        write_h5ad(texts(), path)
    assert encodings(path) <= OLD


def test_names_are_read_as_written(tmp_path: Path) -> None:
    names = ["a\rb", "a\nb", '"', "\t", "NA", "None", "TRUE", "01", "#", " a "]
    write_table(pd.DataFrame({"first": names, "last": names}), tmp_path / "names.tsv")
    found = read_table(tmp_path / "names.tsv", dtype=str)
    assert list(found["first"]) == list(found["last"]) == names
