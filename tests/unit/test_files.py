import pytest

from jaxmm.files import write_text


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("old and longer")
    write_text(path, "neu: ü")
    assert path.read_text(encoding="utf-8") == "neu: ü"
    assert [entry.name for entry in tmp_path.iterdir()] == ["note.txt"]


def test_the_old_file_stands_until_the_new_one_is_written(tmp_path, monkeypatch):
    path = tmp_path / "note.txt"
    path.write_text("old")

    def full_disk(self, text, **_):
        with self.open("w") as file:
            file.write(text[:2])
        raise OSError("no space left")

    monkeypatch.setattr(type(path), "write_text", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
