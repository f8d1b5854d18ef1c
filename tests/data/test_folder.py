"""Which image files there are, of which class, and which of them are set apart; no file is opened for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evobnn._processes import EvobnnWarning
from evobnn.data.formats.folder import Files, list_folder
from evobnn.data.parts import part_of
from evobnn.errors import DataError


def touch(root: Path, *names: str) -> None:
    """Make empty files: whoever opened them as images would fail."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def relative(files: Files, root: Path) -> list[tuple[str, str]]:
    return [
        (str(Path(path).relative_to(root)), files.class_names[label])
        for path, label in zip(files.paths, files.labels, strict=True)
    ]


@pytest.mark.parametrize("apart", ["test", "val", "validation"])
def test_a_cut_of_the_user_is_kept(tmp_path: Path, apart: str) -> None:
    touch(tmp_path / "train", "b/2.png", "b/1.JPG", "a/x.webp", "c/y.bmp", "c/z.jpeg")
    touch(tmp_path / apart, "c/1.png", "a/1.png")
    train, test = list_folder(tmp_path)
    assert relative(train, tmp_path / "train") == [
        ("a/x.webp", "a"),
        ("b/1.JPG", "b"),
        ("b/2.png", "b"),
        ("c/y.bmp", "c"),
        ("c/z.jpeg", "c"),
    ]
    assert relative(test, tmp_path / apart) == [("a/1.png", "a"), ("c/1.png", "c")]
    assert train.class_names == test.class_names == ("a", "b", "c")
    assert train.labels.dtype == test.labels.dtype == np.int64


def test_test_comes_before_val_and_an_unlabelled_folder_does_not_count(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/val.png", "test/unlabelled.png")
    with pytest.warns(EvobnnWarning, match=r"beside train and val: test \(without folders of classes\)\.$"):
        assert Path(list_folder(tmp_path)[1].paths[0]).name == "val.png"
    touch(tmp_path, "test/a/test.png")
    with pytest.warns(EvobnnWarning, match=r"beside test and train: val\.$"):
        assert Path(list_folder(tmp_path)[1].paths[0]).name == "test.png"


def test_images_at_any_depth_count_and_nothing_else_does(tmp_path: Path) -> None:
    touch(tmp_path, *(f"a/deep/er/{n}.png" for n in range(9)), *(f"b/{n}.png" for n in range(9)))
    touch(tmp_path, "a/notes.txt", "a/.hidden.png", ".cache/1.png", "__MACOSX/1.png", "loose.png")
    with pytest.warns(EvobnnWarning) as said:
        train, test = list_folder(tmp_path)
    assert train.class_names == ("a", "b")
    assert len(train) + len(test) == 18
    notes = [str(one.message) for one in said]
    assert len(notes) == 2
    assert notes[0].endswith(": 1 image in no class folder.")
    assert "for their ending: 1 with .txt." in notes[1]


@pytest.mark.parametrize("inner", ["", "train"])
def test_without_a_test_folder_a_fifth_of_every_class_is_set_apart_for_ever(tmp_path: Path, inner: str) -> None:
    sizes = {"a": 50, "b": 20, "c": 31}
    for name, size in sizes.items():
        touch(tmp_path / inner, *(f"{name}/{n:02d}.png" for n in range(size)))
    train, test = list_folder(tmp_path)
    again, _ = list_folder(tmp_path)
    assert train.paths == again.paths
    assert len(test) == round(101 / 5)
    assert len(set(train.paths) | set(test.paths)) == 101 == len(train) + len(test)
    shares = np.bincount(test.labels) - np.array([10, 4, 6.2])
    assert np.all(np.abs(shares) < 1)
    assert list(train.paths) == sorted(train.paths)
    # Golden: another cut would let a search see images of the test part of before.
    assert [int(Path(path).stem) for path in test.paths] == [
        *(0, 5, 7, 9, 15, 16, 20, 22, 32, 44),
        *(0, 9, 11, 12),
        *(2, 6, 14, 15, 18, 22),
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "at least two folders of images, .*got none"),
        (("1.png", "2.png"), "got none"),
        (("train/1.png", "test/2.png"), "class folders in .*train, .*got none"),
        (("a/1.png",), "got only 'a'"),
        (("a/1.png", "b/1.txt", "c/.1.png"), "in every class folder of .*, got none in b, c"),
        (("train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.txt"), "class folder of .*test, got none in b"),
        (("train/a/1.png", "train/b/1.png", "test/a/1.png", "test/d/1.png"), "got d beside a, b"),
        (("training/a/1.png", "test/a/1.png"), "in .*training, got only 'a'"),
        (("a/1.png", "b/1.png"), "got 2 in all"),
        ((*(f"f/{n}.png" for n in range(5)), *(f"{c}/1.png" for c in "abcde")), "every class .* apart .*got none of a"),
    ],
)
def test_what_is_no_set_of_classes_is_refused(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=said):
        list_folder(tmp_path)


HIDDEN = (".ipynb_checkpoints", "__MACOSX", ".cache", "__pycache__", "@eaDir", "$RECYCLE.BIN")


def test_what_is_hidden_is_passed_over_at_every_depth_and_without_a_word(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.png", "train/a/deep/2.png", "train/b/1.png", "test/a/1.png")
    wanted = [[one.paths for one in list_folder(tmp_path)]]
    for name in HIDDEN:
        touch(
            tmp_path, *(f"{at}/{name}/1-checkpoint.png" for at in (".", "train", "train/a", "train/a/deep", "test/a"))
        )
        wanted.append([one.paths for one in list_folder(tmp_path)])
    touch(tmp_path, "train/a/.DS_Store", "train/a/Thumbs.db", "train/a/._1.png", "train/b/desktop.ini", "Thumbs.db")
    wanted.append([one.paths for one in list_folder(tmp_path)])
    assert len(wanted) == 8 and all(one == wanted[0] for one in wanted)
    assert len(wanted[0][0]) == 3


def test_a_class_that_is_left_out_for_two_underscores_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png", "train/__background__/1.png")
    with pytest.warns(EvobnnWarning, match="Not used .*: __background__"):
        assert list_folder(tmp_path)[0].class_names == ("a", "b")


def test_each_real_folder_and_file_is_visited_once(tmp_path: Path) -> None:
    place, beyond = tmp_path / "set", tmp_path / "else"
    touch(place, "train/a/deep/1.png", "train/a/2.png", "train/b/1.png", "test/a/1.png")
    touch(beyond, "3.png", "sub/4.png")
    links = {
        "train/a/deep/loop": place / "train" / "a",
        "train/a/root": place / "train",
        "train/a/again": place / "train" / "a" / "deep",
        "train/a/more": beyond,
        "train/a/zmore": beyond / "sub",
        "train/a/0.png": place / "train" / "a" / "2.png",
        "train/b/toa": place / "train" / "a",
    }
    for name, target in links.items():
        (place / name).symlink_to(target)
    with pytest.warns(EvobnnWarning, match="6 links to what is listed already"):
        train, _ = list_folder(place)
    assert relative(train, place / "train") == [
        ("a/2.png", "a"),
        ("a/deep/1.png", "a"),
        ("a/more/3.png", "a"),
        ("a/more/sub/4.png", "a"),
        ("b/1.png", "b"),
    ]


def test_a_whole_set_of_links_is_read(tmp_path: Path) -> None:
    touch(tmp_path / "pool", "1.png", "2.png", "x/3.png")
    for at in ("set/train/b", "set/test/a"):
        (tmp_path / at).mkdir(parents=True)
    (tmp_path / "set" / "train" / "a").symlink_to(tmp_path / "pool" / "x")
    (tmp_path / "set" / "train" / "b" / "one.png").symlink_to(tmp_path / "pool" / "1.png")
    (tmp_path / "set" / "test" / "a" / "two.png").symlink_to(tmp_path / "pool" / "2.png")
    train, test = list_folder(tmp_path / "set")
    assert relative(train, tmp_path / "set" / "train") == [("a/3.png", "a"), ("b/one.png", "b")]
    assert relative(test, tmp_path / "set" / "test") == [("a/two.png", "a")]


@pytest.mark.parametrize(
    ("link", "target", "said"),
    [
        ("train/a/x.png", "train/b/1.png", "in one class of one part, got it as .*train/a/x.png and .*train/b/1.png"),
        ("train/c", "train/a", "in one class of one part"),
        ("train/a/sub", "train/b/deep", "in one class of one part"),
        ("test/b", "train/b", "what is tested on is not to be learnt from"),
        ("test/a/x.png", "train/a/1.png", "what is tested on"),
        ("train/a/x.png", "train/a/x.png", "an image behind the link .*x.png, got nothing there"),
        ("train/a/x.png", "nowhere.png", "an image behind the link .*x.png, got nothing there"),
    ],
)
def test_a_link_into_another_class_or_part_or_to_nothing_is_refused(
    tmp_path: Path, link: str, target: str, said: str
) -> None:
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "train/b/deep/2.png", "test/a/1.png")
    list_folder(tmp_path)
    (tmp_path / link).symlink_to(tmp_path / target)
    with pytest.raises(DataError, match=said):
        list_folder(tmp_path)


@pytest.mark.parametrize(
    ("training", "testing"),
    [("Training", "Testing"), ("Train", "TEST"), ("train", "valid"), ("TRAINING", "dev"), ("train", "eval")]
    + [("training_set", "test_set"), ("train", "Validation"), ("seg_train", "seg_test"), ("train2017", "val2017")]
    + [("TrainingSet", "holdout"), ("train-images", "test-images"), ("trainset", "testset")],
)
def test_parts_of_other_names_are_found(tmp_path: Path, training: str, testing: str) -> None:
    touch(tmp_path, *(f"{training}/{name}/{n}.png" for name in "abc" for n in (1, 2)), f"{testing}/b/3.png")
    train, test = list_folder(tmp_path)
    assert train.class_names == test.class_names == ("a", "b", "c")
    assert len(train) == 6
    assert relative(test, tmp_path / testing) == [("b/3.png", "b")]


def test_a_part_within_a_folder_of_its_own_name_is_found(tmp_path: Path) -> None:
    touch(tmp_path, "seg_train/seg_train/a/1.png", "seg_train/seg_train/b/1.png", "seg_test/seg_test/b/2.png")
    train, test = list_folder(tmp_path)
    assert (train.class_names, len(train), len(test)) == (("a", "b"), 2, 1)


def test_of_several_test_parts_one_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "Train/a/1.png", "Train/b/1.png", "dev/a/dev.png", "TEST/a/test.png", "extra/a/1.png", "flat/1.png")
    with pytest.warns(
        EvobnnWarning, match=r"beside TEST and Train: dev, extra, flat \(without folders of classes\)\.$"
    ):
        assert Path(list_folder(tmp_path)[1].paths[0]).name == "test.png"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a/1.png", "b/1.png", "test/1.png"), "class folders in .*train.*none there, but test"),
        (("Train/1.png", "Test/2.png"), "none there, but Test, Train"),
        (("a/1.png", "b/1.png", "VALID/a/1.png"), "none there, but VALID"),
        (("fold1/a/1.png", "fold1/b/1.png", "fold2/a/1.png", "fold2/b/1.png"), "together below DIR/train"),
        (("split_0/1.png", "split_1/1.png"), "none there, but split_0, split_1"),
        (("Training/a/1.png", "Train/b/1.png"), "one folder of training images in .*got Train, Training"),
        (("a/train/1.png", "a/test/2.png", "b/train/1.png", "b/valid/2.png"), "not cut into parts themselves"),
        (("images/train/1.png", "images/val/1.png", "masks/train/1.png", "masks/val/1.png"), "Turn it round"),
        (("data/train/a/1.png", "data/test/a/1.png"), "only 'data'. It holds test, train; .* pass --data-dir .*data"),
    ],
)
def test_parts_never_become_classes(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=said):
        list_folder(tmp_path)


@pytest.mark.parametrize("classes", [("car", "plane", "train"), ("invalid", "valid"), ("control", "test")])
def test_a_class_that_is_called_like_a_part_is_said(tmp_path: Path, classes: tuple[str, ...]) -> None:
    touch(tmp_path, *(f"{name}/{n}.png" for name in classes for n in range(5)))
    with pytest.warns(EvobnnWarning, match="is taken for a class"):
        assert list_folder(tmp_path)[0].class_names == classes


@pytest.mark.parametrize("name", ["trainer", "tested", "contest", "devil", "train station", "latest", "images", "fold"])
def test_other_words_name_no_part(name: str) -> None:
    assert part_of(name) is None


def test_the_same_folders_in_all_classes_are_said(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{name}/{inner}/{n}.png" for name in ("A", "B") for inner in ("cat", "dog") for n in range(4)))
    with pytest.warns(EvobnnWarning, match="hold the same folders cat, dog; the classes are A, B"):
        assert list_folder(tmp_path)[0].class_names == ("A", "B")


def test_links_to_themselves_are_no_folders(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png")
    for name in ("train/me", "train/a/me"):
        (tmp_path / name).symlink_to("me")
    with pytest.warns(EvobnnWarning, match="for their ending: 1 with no ending"):
        assert [one.paths[0].endswith("a/1.png") for one in list_folder(tmp_path)] == [True, True]


def test_what_is_left_out_for_its_ending_is_counted(tmp_path: Path) -> None:
    touch(tmp_path / "train", "a/1.png", "b/1.png", *(f"a/{n}.heic" for n in range(30)), "b/list")
    touch(tmp_path / "test", "a/1.png", "a/2.HEIC")
    with pytest.warns(EvobnnWarning, match="for their ending: 31 with .heic, 1 with no ending. Read are .bmp, "):
        list_folder(tmp_path)
