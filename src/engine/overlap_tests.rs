//! New pods are made while their image is on the way, where all says that it comes in time.

use std::time::Duration;

use crate::model::ReleaseName;
use crate::report::Failure;

use super::tests::*;
use super::world::{artifact, release};
use super::*;

const QUICK: Duration = Duration::from_millis(100);
const SLOW: Duration = Duration::from_secs(3);

impl Story {
    fn rendered_alone(&mut self, bridged: bool) -> Vec<String> {
        let generation = self.generation(|effect| match effect {
            Effect::Render { generation, .. } => Some(*generation),
            _ => None,
        });
        let rendered = Rendered { images_alone: true, bridged, ..Rendered::default() };
        self.tell(Event::Rendered { release: shop(), generation, result: Ok(rendered) })
    }

    fn patched(&mut self, tag: &str) -> Vec<String> {
        let generation = self.generation(|effect| match effect {
            Effect::Patch { generation, .. } => Some(*generation),
            _ => None,
        });
        let images = [(artifact("api"), image("api", "1")), (artifact("web"), image("web", tag))];
        let patched = Patched { images: images.into(), ..Patched::default() };
        self.tell(Event::Patched { release: shop(), generation, result: Ok(patched) })
    }

    fn not_patched(&mut self) -> Vec<String> {
        let generation = self.generation(|effect| match effect {
            Effect::Patch { generation, .. } => Some(*generation),
            _ => None,
        });
        let result = Err(End::Failed(Failure::work("wharf::deploy::overtaken", "it is another")));
        self.tell(Event::Patched { release: shop(), generation, result })
    }

    fn arrived(&mut self, tag: &str, took: Duration) -> Vec<String> {
        let image = image("web", tag);
        let result = Ok(Delivered { image, pushed: false, sent_bytes: 1, total_bytes: 1, took });
        self.delivered("web", result)
    }

    /// A save of `web` that is built, rendered and on its way to the nodes. Returns what comes of it.
    fn sent(&mut self, tag: &str, bridged: bool) -> Vec<String> {
        self.tell(saved("web"));
        self.hashed("web", tag);
        self.seen("web", Seen::default());
        let mut told = self.rendered_alone(bridged);
        told.extend(self.built("web", Ok(())));
        told
    }

    /// A whole round in which the image took so long.
    fn round(&mut self, tag: &str, took: Duration) {
        self.sent(tag, true);
        self.arrived(tag, took);
        self.patched(tag);
        self.settled("shop", Ok(Duration::ZERO));
    }

    /// Up, with deliveries that took so long.
    fn after(deliveries: &[Duration]) -> Self {
        let mut story = Self::up();
        for (nth, took) in deliveries.iter().enumerate() {
            story.round(&format!("a{nth}"), *took);
        }
        story
    }
}

fn shop() -> ReleaseName {
    release("shop")
}

fn of(told: &[String], act: &str) -> usize {
    told.iter().filter(|line| line.starts_with(act)).count()
}

#[test]
fn pods_are_made_while_the_image_is_on_its_way_and_waited_for_when_it_is_there() {
    let mut story = Story::after(&[QUICK, QUICK]);
    let told = story.sent("2", true);
    assert_eq!((of(&told, "deliver"), of(&told, "patch")), (1, 1), "{told:?}");
    let told = story.patched("2");
    assert_eq!(of(&told, "settle"), 0, "{told:?}");
    let told = story.arrived("2", QUICK);
    assert_eq!(of(&told, "settle"), 1, "{told:?}");
    // The other way round it is the same.
    story.settled("shop", Ok(Duration::ZERO));
    story.sent("3", true);
    assert_eq!(of(&story.arrived("3", SLOW), "settle"), 0);
    assert_eq!(of(&story.patched("3"), "settle"), 1);
    // Once bitten, twice shy.
    story.settled("shop", Ok(Duration::ZERO));
    assert_eq!(of(&story.sent("4", true), "patch"), 0);
    assert_eq!(of(&story.arrived("4", QUICK), "patch"), 1);
}

#[test]
fn pods_wait_for_an_image_that_may_be_late_or_that_nothing_bridges() {
    for deliveries in [&[][..], &[QUICK], &[SLOW, QUICK], &[QUICK, SLOW]] {
        let mut story = Story::after(deliveries);
        let told = story.sent("2", true);
        assert_eq!(of(&told, "patch"), 0, "{deliveries:?}: {told:?}");
        assert_eq!(of(&story.arrived("2", QUICK), "patch"), 1, "{deliveries:?}");
    }
    let mut story = Story::after(&[QUICK, QUICK]);
    assert_eq!(of(&story.sent("2", false), "patch"), 0);
    assert_eq!(of(&story.arrived("2", QUICK), "patch"), 1);
}

#[test]
fn an_image_that_does_not_come_is_told_and_the_next_save_goes_on() {
    let mut story = Story::after(&[QUICK, QUICK]);
    story.sent("2", true);
    story.patched("2");
    let failure = Failure::work("wharf::load::no_space", "the node's disk is full");
    let told = story.delivered("web", Err(End::Failed(failure)));
    assert!(told.iter().any(|line| line.contains("disk is full")), "{told:?}");
    assert_eq!(of(&told, "settle"), 0, "{told:?}");
    // Its disk has room again.
    let told = story.tell(Event::Nudged(Nudge::Mended));
    assert_eq!(of(&told, "look"), 1, "{told:?}");
    story.seen("web", Seen { delivered: None, built: true });
    let told = story.arrived("2", QUICK);
    assert_eq!((of(&told, "settle"), of(&told, "patch")), (1, 0), "{told:?}");
}

#[test]
fn a_patch_that_comes_too_late_is_done_over_and_never_by_helm_before_the_image_is_there() {
    let mut story = Story::after(&[QUICK, QUICK]);
    story.sent("2", true);
    let told = story.not_patched();
    assert_eq!((of(&told, "deploy"), of(&told, "examine")), (0, 1), "{told:?}");
}
