//! Places of clients, and the rule for who gives way once all are taken.
//!
//! A client is *authenticated* by a certificate, or at a Unix socket as root or as the agent's own
//! user. It is *active* once it has subscribed; a client of the metrics is active while its request
//! is answered. Other clients are *idle*: readers of the plain stream, silent connections, and HTTP
//! connections between two requests. The *share* of an origin is the number of its places.
//!
//! A newcomer that finds all places taken, or all of its origin, replaces a client. The first one
//! in this order goes:
//!
//! 1. those who are not authenticated,
//! 2. those of an origin with more than an equal share of the places,
//! 3. those who share their origin with others, before the only client of an origin,
//! 4. the idle,
//! 5. those of the largest share,
//! 6. the newest: established viewers, such as a plotter of plain rows, keep their places.
//!
//! An authenticated newcomer may replace any client that is not authenticated. Among equals, so
//! that nobody gains places by connecting often:
//!
//! * an idle client goes for a newcomer of its own origin, or of one with a smaller share,
//! * an active client goes for a newcomer of an origin with at least two places less,
//! * the only client of an origin, if idle, goes for the first client of another origin, unless it
//!   is the only client at all.
//!
//! A newcomer that may replace nobody is refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

use super::origin::Origin;

/// Places of the clients of one server.
///
/// **Invariant:** at most `max` places are taken, and at most `per_origin_max` by one origin;
/// origins without clients have no entry.
#[derive(Debug)]
struct Places {
    max: usize,
    per_origin_max: usize,
    taken: usize,
    last_number: u64,
    origins: HashMap<Origin, Clients>,
}

/// Clients of one origin in the order of their standing, with the tasks that serve them. Most origins
/// have one client, and newcomers go to the end.
type Clients = Vec<(Standing, Option<AbortHandle>)>;

/// Standing of a client within its origin. The highest gives way first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    is_stranger: bool,
    is_idle: bool,
    number: u64,
}

/// Identity of a place. It is never given to another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PlaceId {
    origin: Origin,
    is_authenticated: bool,
    /// Number of the client, in the order of arrival.
    number: u64,
}

/// Limit that a refused newcomer has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All places are taken.
    All,
    /// All places of its origin are taken; there are others.
    Origin,
}

/// Client that has lost its place.
#[derive(Debug)]
pub(crate) struct Evicted {
    pub(crate) id: PlaceId,
    session: Option<AbortHandle>,
}

impl PlaceId {
    fn standing(self, is_active: bool) -> Standing {
        let PlaceId { is_authenticated, number, .. } = self;
        Standing { is_stranger: !is_authenticated, is_idle: !is_active, number }
    }
}

impl Places {
    fn new(max: usize, per_origin_max: usize) -> Places {
        Places { max, per_origin_max, taken: 0, last_number: 0, origins: HashMap::new() }
    }

    /// Gives a newcomer a place, as an idle client. Returns also the client that it replaces.
    fn enter(
        &mut self,
        origin: Origin,
        is_authenticated: bool,
    ) -> Result<(PlaceId, Option<Evicted>), Full> {
        self.last_number += 1;
        let newcomer = PlaceId { origin, is_authenticated, number: self.last_number };
        let share = self.share(origin);
        let leaver = if share >= self.per_origin_max {
            let own = self.origins.get_key_value(&origin);
            let full = if self.taken < self.max { Full::Origin } else { Full::All };
            Some(self.first_to_go(newcomer, share, own.into_iter()).ok_or(full)?)
        } else if self.taken >= self.max {
            Some(self.first_to_go(newcomer, share, self.origins.iter()).ok_or(Full::All)?)
        } else {
            None
        };
        let evicted = leaver.and_then(|leaver| self.leave(leaver));
        insert(self.origins.entry(origin).or_default(), newcomer.standing(false), None);
        self.taken += 1;
        Ok((newcomer, evicted))
    }

    /// Evicts the client that would go for the first client of a new origin.
    fn make_room(&mut self) -> Option<Evicted> {
        let nobody = PlaceId { origin: Origin::Unknown, is_authenticated: false, number: 0 };
        let leaver = self.first_to_go(nobody, 0, self.origins.iter())?;
        self.leave(leaver)
    }

    /// Returns the client of these origins that goes for a newcomer whose origin has `own` places.
    fn first_to_go<'a>(
        &self,
        newcomer: PlaceId,
        own: usize,
        origins: impl Iterator<Item = (&'a Origin, &'a Clients)>,
    ) -> Option<PlaceId> {
        let equal_share = self.taken / self.origins.len().max(1);
        let candidates = origins.filter_map(|(origin, clients)| {
            let (Standing { is_stranger, is_idle, number }, share) =
                (clients.last()?.0, clients.len());
            let goes = if is_stranger == newcomer.is_authenticated {
                is_stranger
            } else if !is_idle {
                share >= own + 2
            } else if share == 1 {
                own == 0 && self.taken > 1
            } else {
                share > own || *origin == newcomer.origin
            };
            let order = (is_stranger, share > equal_share, share > 1, is_idle, share, number);
            let id = PlaceId { origin: *origin, is_authenticated: !is_stranger, number };
            goes.then_some((order, id))
        });
        candidates.max().map(|(_, id)| id)
    }

    fn share(&self, origin: Origin) -> usize {
        self.origins.get(&origin).map_or(0, Vec::len)
    }

    /// Frees a place. `None` if it was lost before.
    fn leave(&mut self, id: PlaceId) -> Option<Evicted> {
        let clients = self.origins.get_mut(&id.origin)?;
        let (_, session) = clients.remove(position(clients, id)?);
        if clients.is_empty() {
            self.origins.remove(&id.origin);
        }
        self.taken -= 1;
        if self.taken == 0 {
            // Frees the memory after many origins.
            self.origins = HashMap::new();
        }
        Some(Evicted { id, session })
    }

    /// Changes whether a client is active, unless it has lost its place.
    fn set_active(&mut self, id: PlaceId, is_active: bool) {
        if let Some(clients) = self.origins.get_mut(&id.origin)
            && let Some(at) = position(clients, id)
        {
            let (_, session) = clients.remove(at);
            insert(clients, id.standing(is_active), session);
        }
    }

    fn has(&self, id: PlaceId) -> bool {
        self.origins.get(&id.origin).is_some_and(|clients| position(clients, id).is_some())
    }
}

fn insert(clients: &mut Clients, standing: Standing, session: Option<AbortHandle>) {
    let at = clients.partition_point(|(other, _)| *other < standing);
    clients.insert(at, (standing, session));
}

/// Returns the position of a client, active or not.
fn position(clients: &Clients, id: PlaceId) -> Option<usize> {
    let found = |is_active| {
        clients.binary_search_by_key(&id.standing(is_active), |(standing, _)| *standing).ok()
    };
    found(false).or_else(|| found(true))
}

/// Handle of the places of one server, which the server and its sessions lock for one call each.
#[derive(Debug, Clone)]
pub(crate) struct SharedPlaces(Arc<Mutex<Places>>);

impl SharedPlaces {
    pub(crate) fn new(max: usize, per_origin_max: usize) -> SharedPlaces {
        SharedPlaces(Arc::new(Mutex::new(Places::new(max, per_origin_max))))
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a newcomer a place. Returns also the client that it replaces, if any.
    pub(crate) fn enter(
        &self,
        origin: Origin,
        is_authenticated: bool,
    ) -> Result<(ClientPlace, Option<Evicted>), Full> {
        let (id, evicted) = self.lock().enter(origin, is_authenticated)?;
        Ok((ClientPlace { places: self.clone(), id }, evicted))
    }

    /// Evicts a client where a limit other than the number of places is met.
    pub(crate) fn make_room(&self) -> Option<Evicted> {
        self.lock().make_room()
    }

    /// Sets the task that ends when the place is lost.
    pub(crate) fn set_session(&self, id: PlaceId, session: AbortHandle) {
        let mut places = self.lock();
        if let Some(clients) = places.origins.get_mut(&id.origin)
            && let Some(at) = position(clients, id)
        {
            clients[at].1 = Some(session);
        }
    }
}

/// Place of a client. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct ClientPlace {
    places: SharedPlaces,
    pub(crate) id: PlaceId,
}

impl ClientPlace {
    pub(crate) fn set_active(&self, is_active: bool) {
        self.places.lock().set_active(self.id, is_active);
    }

    /// Returns whether another client has the place now.
    pub(crate) fn is_lost(&self) -> bool {
        !self.places.lock().has(self.id)
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        self.places.lock().leave(self.id);
    }
}

impl Evicted {
    pub(crate) fn origin(&self) -> Origin {
        self.id.origin
    }

    /// Ends the task of the client.
    pub(crate) fn end(self) {
        if let Some(session) = self.session {
            session.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Places whose clients come from origins with a number.
    struct Stage {
        places: Places,
        clients: Vec<(PlaceId, bool)>,
    }

    impl Stage {
        fn new(max: usize, per_origin_max: usize) -> Stage {
            Stage { places: Places::new(max, per_origin_max), clients: Vec::new() }
        }

        /// Lets a client in. Returns the number of the client that it replaces.
        fn enter(&mut self, origin: u32, is_authenticated: bool) -> Result<Option<u64>, Full> {
            let (id, evicted) = self.places.enter(Origin::User(origin), is_authenticated)?;
            self.clients.push((id, false));
            Ok(evicted.map(|evicted| self.forget(evicted.id)))
        }

        fn forget(&mut self, id: PlaceId) -> u64 {
            assert!(!self.places.has(id));
            let before = self.clients.len();
            self.clients.retain(|(client, _)| *client != id);
            assert_eq!(self.clients.len(), before - 1, "only a client with a place loses it");
            id.number
        }

        fn fill(&mut self, origin: u32, count: usize, is_active: bool) {
            for _ in 0..count {
                self.enter(origin, false).unwrap();
                self.set_active(self.clients.len() - 1, is_active);
            }
        }

        fn set_active(&mut self, at: usize, is_active: bool) {
            self.clients[at].1 = is_active;
            self.places.set_active(self.clients[at].0, is_active);
        }

        fn share(&self, origin: u32) -> usize {
            self.clients.iter().filter(|(id, _)| id.origin == Origin::User(origin)).count()
        }

        fn check_bounds(&self) {
            let Places { max, per_origin_max, taken, .. } = self.places;
            assert!(taken == self.clients.len() && taken <= max);
            let shares = self.places.origins.values().map(Vec::len);
            assert!(shares.clone().all(|share| (1..=per_origin_max).contains(&share)));
            assert_eq!(shares.sum::<usize>(), taken);
            let in_order = |clients: &Clients| clients.is_sorted_by_key(|(standing, _)| *standing);
            assert!(self.places.origins.values().all(in_order));
            assert!(self.clients.iter().all(|(id, is_active)| {
                let clients = &self.places.origins[&id.origin];
                clients[position(clients, *id).unwrap()].0 == id.standing(*is_active)
            }));
        }
    }

    #[test]
    fn idle_crowds_of_any_number_of_origins_keep_nobody_out() {
        for origins in [1, 4, 5, 7] {
            let mut stage = Stage::new(1024, 256);
            // The first client of an origin is there before the crowd.
            assert_eq!(stage.enter(99, false), Ok(None));
            for origin in 0..origins {
                stage.fill(origin, 256, false);
            }
            let [known, new] = [0, 98].map(|origin| stage.enter(origin, false).unwrap());
            assert!(known.is_some_and(|number| number > 1), "{known:?}");
            assert!(new.is_none_or(|number| number > 1), "{new:?}");
            assert_eq!(stage.share(99), 1, "the first one keeps its place");
            stage.check_bounds();
        }
    }

    #[test]
    fn subscribed_crowds_give_way_to_origins_with_fewer_places_until_shares_are_equal() {
        let mut stage = Stage::new(1024, 256);
        for origin in 0..4 {
            stage.fill(origin, 256, true);
        }
        assert_eq!(stage.enter(0, false), Err(Full::All));
        stage.set_active(1023, false);
        assert_eq!(stage.enter(5, false), Ok(Some(1024)), "the idle one goes first");
        for _ in 0..500 {
            let _ = stage.enter(5, false);
            stage.set_active(stage.clients.len() - 1, true);
        }
        assert_eq!([0, 1, 2, 3, 5].map(|origin| stage.share(origin)), [205, 205, 205, 205, 204]);
        assert_eq!(stage.enter(5, false), Err(Full::All));
    }

    #[test]
    fn a_subscribed_crowd_gives_way_before_the_second_reader_of_another_origin() {
        let mut stage = Stage::new(100, 30);
        stage.fill(9, 2, false);
        for (origin, count) in [(0, 30), (1, 30), (2, 30), (3, 8)] {
            stage.fill(origin, count, true);
        }
        for origin in 10..15 {
            assert!(stage.enter(origin, false).unwrap().is_some_and(|number| number > 2));
        }
        assert_eq!(stage.share(9), 2);
    }

    #[test]
    fn a_thousand_origins_with_one_idle_client_each_keep_nobody_out() {
        let mut stage = Stage::new(1000, 256);
        for origin in 0..1000 {
            stage.enter(origin, false).unwrap();
        }
        assert_eq!(stage.enter(1000, false), Ok(Some(1000)), "the newest goes");
        assert_eq!(stage.enter(0, false), Err(Full::All), "the only one of its origin stays");
    }

    #[test]
    fn with_one_place_the_first_client_stays_unless_another_is_authenticated() {
        let mut stage = Stage::new(1, 256);
        assert_eq!(stage.enter(0, false), Ok(None));
        assert_eq!([0, 1].map(|origin| stage.enter(origin, false)), [Err(Full::All); 2]);
        stage.set_active(0, true);
        assert_eq!(stage.enter(0, true), Ok(Some(1)));
        assert_eq!([0, 1].map(|origin| stage.enter(origin, true)), [Err(Full::All); 2]);
    }

    #[test]
    fn with_two_places_the_older_reader_stays() {
        let mut stage = Stage::new(2, 2);
        stage.fill(0, 2, false);
        assert_eq!(stage.enter(0, false), Ok(Some(2)));
        assert_eq!(stage.enter(1, false), Ok(Some(3)));
        assert_eq!(stage.enter(0, false), Err(Full::All));
    }

    #[test]
    fn an_authenticated_client_stays_whatever_comes() {
        let mut stage = Stage::new(4, 4);
        stage.enter(0, true).unwrap();
        stage.fill(0, 3, true);
        assert_eq!(stage.enter(0, false), Err(Full::All));
        // The newest active one of the largest share goes for others, the authenticated one never.
        let others: Vec<_> = (1..9).map(|origin| stage.enter(origin, false)).collect();
        assert_eq!(others[..3], [Ok(Some(4)), Ok(Some(3)), Ok(Some(2))]);
        assert!(stage.clients.iter().any(|(id, _)| id.number == 1));
    }

    #[test]
    fn a_shortage_takes_the_newest_idle_client_of_the_largest_share() {
        let mut stage = Stage::new(10, 10);
        stage.fill(0, 3, false);
        stage.fill(1, 1, false);
        let mut make_room = || stage.places.make_room().map(|evicted| evicted.id.number);
        assert_eq!([(); 4].map(|()| make_room()), [Some(3), Some(2), Some(4), None]);
    }

    /// Event of a random run. Clients are chosen by a number.
    #[derive(Debug, Clone)]
    enum Step {
        Enter(u32, bool),
        Leave(usize),
        SetActive(usize, bool),
        MakeRoom,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..5_u32, prop::bool::weighted(0.1)).prop_map(|(origin, is_authenticated)| {
                Step::Enter(origin, is_authenticated)
            }),
            2 => any::<usize>().prop_map(Step::Leave),
            4 => (any::<usize>(), any::<bool>()).prop_map(|(at, is)| Step::SetActive(at, is)),
            1 => Just(Step::MakeRoom),
        ]
    }

    /// Checks the client that a newcomer of `origin` replaces, or the refusal.
    fn check_enter(stage: &mut Stage, origin: u32, is_authenticated: bool) {
        let before = stage.clients.clone();
        let shares: BTreeMap<Origin, usize> =
            before.iter().map(|(id, _)| (id.origin, stage.places.share(id.origin))).collect();
        let own = shares.get(&Origin::User(origin)).copied().unwrap_or(0);
        let (max, per_origin_max) = (stage.places.max, stage.places.per_origin_max);
        let is_full = before.len() == max || own == per_origin_max;
        let entered = stage.enter(origin, is_authenticated);
        assert_eq!(is_full, entered != Ok(None));
        let Ok(evicted) = entered else {
            let goes = |(id, is_active): &(PlaceId, bool)| {
                id.origin == Origin::User(origin)
                    && ((is_authenticated && !id.is_authenticated)
                        || (is_authenticated == id.is_authenticated && !is_active && own > 1))
            };
            assert!(!before.iter().any(goes), "refused, although one would go");
            return;
        };
        let Some(number) = evicted else { return };
        let (evicted, was_active) = *before.iter().find(|(id, _)| id.number == number).unwrap();
        assert!(evicted.is_authenticated <= is_authenticated, "a known one for an unknown one");
        let share = shares[&evicted.origin];
        if evicted.is_authenticated == is_authenticated {
            assert!(!was_active || share >= own + 2, "a subscriber for an equal share");
            assert!(share > 1 || (own == 0 && before.len() > 1), "the only one of its origin");
            assert!(share > own || evicted.origin == Origin::User(origin), "a smaller share");
        }
        // Nobody lower in the order stays.
        let is_lower = |(id, is_active): &(PlaceId, bool)| {
            id.origin == evicted.origin
                && id.is_authenticated == evicted.is_authenticated
                && ((was_active && !is_active) || (*is_active == was_active && id.number > number))
        };
        assert!(!before.iter().any(is_lower), "a lower one of the same origin stays");
    }

    proptest! {
        #[test]
        fn bounds_hold_and_nobody_known_goes_for_an_unknown_one(
            max in 1..12_usize,
            per_origin_max in 1..8_usize,
            steps in prop::collection::vec(any_step(), 0..200),
        ) {
            let mut stage = Stage::new(max, per_origin_max);
            for step in steps {
                match step {
                    Step::Enter(origin, is_authenticated) => {
                        check_enter(&mut stage, origin, is_authenticated);
                    }
                    Step::Leave(at) if !stage.clients.is_empty() => {
                        let (id, _) = stage.clients.swap_remove(at % stage.clients.len());
                        prop_assert!(stage.places.leave(id).is_some());
                        // A client that has lost its place leaves, too.
                        prop_assert!(stage.places.leave(id).is_none());
                    }
                    Step::SetActive(at, is_active) if !stage.clients.is_empty() => {
                        let at = at % stage.clients.len();
                        stage.set_active(at, is_active);
                    }
                    Step::MakeRoom => {
                        if let Some(evicted) = stage.places.make_room() {
                            prop_assert!(!evicted.id.is_authenticated);
                            stage.forget(evicted.id);
                        }
                    }
                    Step::Leave(_) | Step::SetActive(..) => {}
                }
                stage.check_bounds();
            }
        }
    }
}
