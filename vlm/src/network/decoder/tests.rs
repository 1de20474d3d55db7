//! Where a pass' segments lie.

use crate::network::decoder::{Pass, Segment};

#[test]
fn branches_take_the_same_place_behind_what_they_share() {
    let segment = |len, after| Segment { len, after, wanted: 1 };
    // A trunk, a question with two choices, and another question with one.
    let segments = [
        segment(5, None),
        segment(3, Some(0)),
        segment(2, Some(1)),
        segment(4, Some(1)),
        segment(6, Some(0)),
        segment(1, Some(4)),
    ];
    let pass = Pass { segments: &segments, pictures: &[] };
    let got: Vec<_> = pass.branches().into_iter().map(|b| (b.rows, b.offset, b.above)).collect();
    assert_eq!(
        got,
        [
            (0..5, 0, vec![]),
            (5..8, 5, vec![]),
            (8..10, 8, vec![]),
            (10..14, 8, vec![]),
            (14..20, 5, vec![]),
            (20..21, 11, vec![]),
        ]
    );
    assert_eq!((pass.kept(), pass.depth()), (12, 12));
}

#[test]
fn what_another_branch_displaced_is_put_in_place_again() {
    let segment = |len, after| Segment { len, after, wanted: 1 };
    // Two questions, and then a choice of the first.
    let segments = [segment(3, None), segment(4, None), segment(2, Some(0))];
    let pass = Pass { segments: &segments, pictures: &[] };
    let branches = pass.branches();
    assert_eq!((branches[2].offset, &branches[2].above), (3, &vec![(0..3, 0)]));
    assert_eq!(branches[2].needed(true), 8..9);
    assert_eq!(branches[2].needed(false), 7..9);
    assert_eq!(pass.kept(), 5, "the first question, which is in place again, and its choice");
}
