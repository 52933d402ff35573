"""Which grades border on each other."""

from models.grades import BENT, GRADE_NEIGHBOURS, GRADES, STRAIGHT


def neighbours(grade):
    return {other for pair in GRADE_NEIGHBOURS if grade in pair for other in pair - {grade}}


def test_every_grade_borders_on_the_next_length_and_the_other_kind():
    assert neighbours("2L") == {"L", "BL"}
    assert neighbours("M") == {"L", "S", "BM"}
    assert neighbours("BL") == {"2L", "L", "BM", "C"}
    assert neighbours("BS") == {"BM", "S", "2S", "C"}
    assert neighbours("C") == set(BENT)


def test_no_pair_names_a_grade_twice_or_an_unknown_one():
    assert all(len(pair) == 2 and pair <= set(GRADES) for pair in GRADE_NEIGHBOURS)
    assert all(neighbours(grade) & set(BENT) for grade in STRAIGHT)
