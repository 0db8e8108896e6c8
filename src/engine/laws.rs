//! The laws of the loop, each tried with thousands of random orders of events in a small world.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::model::ReleaseName;
use crate::report::Failure;

use super::world::*;
use super::*;

/// One thing that happens to a session.
#[derive(Debug, Clone)]
enum Act {
    Finish(usize, bool),
    Save(usize, u64),
    SaveChart(usize, u64),
    SaveConfig(usize),
    Again,
    Mended,
    LoggedIn,
    Lose,
    Recover(usize),
    Crash,
    LoseForward(bool),
    Answer(usize),
    FillDisk,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (any::<usize>(), prop::bool::weighted(0.85)).prop_map(|(n, well)| Act::Finish(n, well)),
        2 => (any::<usize>(), 0..3_u64).prop_map(|(n, by)| Act::Save(n, by)),
        1 => (any::<usize>(), 0..2_u64).prop_map(|(n, by)| Act::SaveChart(n, by)),
        1 => Just(Act::Again),
        1 => Just(Act::Mended),
        1 => Just(Act::LoggedIn),
        1 => Just(Act::Lose),
        1 => any::<usize>().prop_map(Act::Recover),
        1 => (1..31_usize).prop_map(Act::SaveConfig),
        1 => Just(Act::Crash),
        1 => any::<bool>().prop_map(Act::LoseForward),
        2 => any::<usize>().prop_map(Act::Answer),
        1 => Just(Act::FillDisk),
    ];
    prop::collection::vec(act, 0..120)
}

fn play(world: &mut World, acts: Vec<Act>) {
    for act in acts {
        match act {
            Act::Finish(nth, well) => world.finish(nth, well),
            Act::Save(nth, by) => world.save(nth, by),
            Act::SaveChart(nth, by) => world.save_chart(nth, by),
            Act::Again => world.tell(Event::Nudged(Nudge::Again)),
            Act::Mended => world.tell(Event::Nudged(Nudge::Mended)),
            Act::LoggedIn => world.tell(Event::Nudged(Nudge::LoggedIn)),
            Act::Lose => world.lose(),
            Act::Recover(nth) => {
                let mut releases = world.charts.keys().cloned().collect::<Vec<_>>();
                let release = releases.swap_remove(nth % releases.len());
                world.tell(Event::Recovered { release });
            }
            Act::SaveConfig(choice) => world.save_config(choice),
            Act::Crash => world.tell(Event::Crashed(Failure::bug("a task of the loop panicked"))),
            Act::LoseForward(well) => {
                let gone = Failure::work("wharf::observe::lost", "it is gone");
                let result = if well { Ok(()) } else { Err(gone) };
                let forward = project().forwards.remove(0);
                world.tell(Event::ForwardOpened { forward, result });
            }
            Act::Answer(nth) => world.pod_answers(nth),
            Act::FillDisk => world.disk_full = true,
        }
    }
}

/// More with `WHARF_TEST_FULL`, which `tests/run.sh full` sets at compile time.
fn cases() -> u32 {
    if option_env!("WHARF_TEST_FULL").is_some() { 20_000 } else { 64 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// Laws 1 to 3, 5, 7 on the way, and law 6 at the end: after quiet, what the files say runs.
    #[test]
    fn no_save_is_lost(acts in acts(), builds in 1..3_usize) {
        let mut options = Options::new(Goal::Watching);
        options.builds = builds;
        let mut world = World::new(options);
        play(&mut world, acts);
        world.disk_full = false;
        world.quiet();
        world.restore_config();
        // What failed on the way is tried again by a key, as a person would.
        world.tell(Event::Nudged(Nudge::Again));
        world.quiet();
        let truth = world.truth();
        for (release, fingerprint) in &world.charts {
            let images: BTreeMap<_, _> =
                uses(release).into_iter().map(|name| (name.clone(), truth[&name].clone())).collect();
            let wanted = (fingerprint.to_string(), images);
            prop_assert_eq!(world.runs.get(release), Some(&wanted), "{}", release);
            prop_assert_eq!(world.history.get(release), Some(&wanted), "{}", release);
        }
    }

    /// Law 8 at the end of a session whose releases stay: Helm's history says what runs, unless
    /// the exit code says that something failed. In between it never rolls back what is newer, and
    /// never records twice.
    #[test]
    fn what_stays_is_left_as_recorded(acts in acts(), after in acts()) {
        let mut world =
            World::new(Options { cleanup: false, ..Options::new(Goal::Watching) });
        play(&mut world, acts);
        world.left = true;
        world.stays = true;
        world.tell(Event::Interrupted);
        play(&mut world, after);
        world.quiet();
        prop_assert!(world.exited.is_some());
        if world.exited == Some(Exit::Done) {
            prop_assert_eq!(&world.runs, &world.history);
        }
    }

    /// Without the fast way every change of what runs is an upgrade.
    #[test]
    fn without_the_fast_way_nothing_is_patched(acts in acts()) {
        let mut world = World::new(Options::new(Goal::Watching));
        world.fast = false;
        play(&mut world, acts);
        world.quiet();
        prop_assert_eq!(&world.runs, &world.history);
    }

    /// Law 6 without a key: either it runs, or a failure says why not.
    #[test]
    fn after_quiet_it_runs_or_has_failed(acts in acts()) {
        let mut world = World::new(Options::new(Goal::Watching));
        play(&mut world, acts);
        world.disk_full = false;
        world.quiet();
        world.restore_config();
        let truth = world.truth();
        let failed = world.session.has_failures();
        for (release, fingerprint) in &world.charts {
            let images: BTreeMap<_, _> =
                uses(release).into_iter().map(|name| (name.clone(), truth[&name].clone())).collect();
            let wanted = (fingerprint.to_string(), images);
            prop_assert!(failed || world.runs.get(release) == Some(&wanted), "{}", release);
        }
    }

    /// Law 4: after an interrupt nothing but the unwinding starts, it ends, and nothing is left.
    #[test]
    fn an_interrupt_leads_out(acts in acts(), after in acts()) {
        let mut world = World::new(Options::new(Goal::Watching));
        play(&mut world, acts);
        world.left = true;
        world.tell(Event::Interrupted);
        play(&mut world, after);
        world.quiet();
        prop_assert_eq!(world.exited, Some(Exit::Done));
        prop_assert!(world.runs.is_empty() && world.history.is_empty());
    }

    /// A second interrupt ends at once, wherever the first one has got to.
    #[test]
    fn a_second_interrupt_aborts(acts in acts(), between in acts()) {
        let mut world = World::new(Options::new(Goal::Watching));
        play(&mut world, acts);
        world.left = true;
        world.tell(Event::Interrupted);
        play(&mut world, between);
        world.tell(Event::Interrupted);
        prop_assert!(world.exited.is_some());
    }

    /// What an earlier session made and did not take back goes with this one, though its journal is
    /// lost and nothing is deployed again.
    #[test]
    fn what_an_earlier_session_made_goes_too(left in prop::collection::btree_set(0..2_usize, 0..3)) {
        let mut world = World::new(Options::new(Goal::Watching));
        let truth = world.truth();
        world.nodes = truth.values().cloned().collect();
        for (release, fingerprint) in world.charts.clone() {
            let images = uses(&release).into_iter().map(|name| (name.clone(), truth[&name].clone()));
            let runs = (fingerprint.to_string(), images.collect());
            world.history.insert(release.clone(), runs.clone());
            world.runs.insert(release, runs);
        }
        let names: Vec<ReleaseName> = world.charts.keys().cloned().collect();
        for nth in left {
            world.runs.remove(&names[nth]);
        }
        world.quiet();
        prop_assert_eq!(world.runs.len(), names.len());
        prop_assert!(names.iter().all(|name| world.remembered.contains(&undo(name))));
        world.left = true;
        world.tell(Event::Interrupted);
        world.quiet();
        prop_assert!(world.runs.is_empty());
    }

    /// Another cluster behind the context ends everything at once, and whoever interrupts again and
    /// again, or goes on saving, changes nothing any more.
    #[test]
    fn nothing_follows_the_end(acts in acts(), after in acts(), presses in 0..5_usize) {
        let mut world = World::new(Options::new(Goal::Watching));
        play(&mut world, acts);
        world.left = true;
        world.tell(Event::ClusterChanged(Failure::work("wharf::cluster::changed", "another one")));
        prop_assert_eq!(world.exited, Some(Exit::Failed));
        let over = world.session.clone();
        play(&mut world, after);
        for _ in 0..presses {
            let effects = world.session.handle(Event::Interrupted);
            prop_assert_eq!(effects, vec![]);
        }
        prop_assert_eq!(over, world.session);
    }

    /// A one-shot command ends by itself, whatever happens on the way.
    #[test]
    fn a_run_ends(acts in acts()) {
        for goal in [Goal::Images, Goal::Manifests, Goal::Running] {
            let mut world = World::new(Options::new(goal));
            play(&mut world, acts.clone());
            world.quiet();
            prop_assert!(world.exited.is_some(), "{:?}", goal);
        }
    }
}
