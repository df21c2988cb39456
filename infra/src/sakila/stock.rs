//! Languages, categories, actors, films and the copies of them on the shelves.

use super::calendar::datetime;
use super::chance::Chance;
use super::place::LAST_UPDATE_S;
use super::{Table, text, words};

const FILMS: usize = 1000;
const ACTORS: u64 = 200;
/// 462 films have six actors and the others five: 5,462 roles.
const FILMS_WITH_SIX_ACTORS: usize = 462;
/// 581 films have five copies and the others four: 4,581 copies.
const FILMS_WITH_FIVE_COPIES: usize = 581;
const RATINGS: [&str; 5] = ["G", "PG", "PG-13", "R", "NC-17"];
const FEATURES: [&str; 4] = ["Trailers", "Commentaries", "Deleted Scenes", "Behind the Scenes"];
const RATES_CENTS: [u64; 3] = [99, 299, 499];

/// A film, as far as other tables need it.
pub(super) struct Film {
    pub(super) rental_days: u64,
    pub(super) rate_cents: u64,
    row: String,
}

/// One copy of a film in one of the stores.
pub(super) struct Copy {
    pub(super) film_id: usize,
    pub(super) store_id: usize,
}

pub(super) fn films() -> Vec<Film> {
    let mut chance = Chance::seeded(5);
    (0..FILMS)
        .map(|i| {
            let (rental_days, rate_cents) = (chance.between(3, 7), chance.one_of(&RATES_CENTS));
            let features: Vec<&str> = FEATURES
                .into_iter()
                .filter(|_| chance.between(0, 1) == 1)
                .collect();
            let row = format!(
                "({},{},{},2006,1,NULL,{rental_days},{}.{:02},{},{}.99,'{}',{},{})",
                i + 1,
                text(&words::title(i)),
                text(&words::description(i)),
                rate_cents / 100,
                rate_cents % 100,
                chance.between(46, 185),
                chance.between(9, 29),
                chance.one_of(&RATINGS),
                text(&features.join(",")),
                datetime(LAST_UPDATE_S)
            );
            Film {
                rental_days,
                rate_cents,
                row,
            }
        })
        .collect()
}

pub(super) fn inventory() -> Vec<Copy> {
    (0..FILMS)
        .flat_map(|film| {
            let copies = if film < FILMS_WITH_FIVE_COPIES { 5 } else { 4 };
            (0..copies).map(move |copy| Copy {
                film_id: film + 1,
                store_id: (film + copy) % 2 + 1,
            })
        })
        .collect()
}

pub(super) fn tables(films: &[Film], inventory: &[Copy]) -> Vec<Table> {
    let updated = datetime(LAST_UPDATE_S);
    let numbered = |names: &[&str]| {
        names
            .iter()
            .enumerate()
            .map(|(i, name)| format!("({},{},{updated})", i + 1, text(name)))
            .collect()
    };
    let actors = (0..usize::try_from(ACTORS).unwrap_or(0))
        .map(|i| {
            let (first, last) = words::person(i + 700);
            format!("({},{},{},{updated})", i + 1, text(first), text(last))
        })
        .collect();
    let copies = inventory
        .iter()
        .enumerate()
        .map(|(i, copy)| format!("({},{},{},{updated})", i + 1, copy.film_id, copy.store_id))
        .collect();
    vec![
        Table {
            name: "language",
            columns: "language_id,name,last_update",
            rows: numbered(&words::LANGUAGES),
        },
        Table {
            name: "category",
            columns: "category_id,name,last_update",
            rows: numbered(&words::CATEGORIES),
        },
        Table {
            name: "actor",
            columns: "actor_id,first_name,last_name,last_update",
            rows: actors,
        },
        Table {
            name: "film",
            columns: "film_id,title,description,release_year,language_id,original_language_id,rental_duration,\
                      rental_rate,length,replacement_cost,rating,special_features,last_update",
            rows: films.iter().map(|film| film.row.clone()).collect(),
        },
        Table {
            name: "film_actor",
            columns: "actor_id,film_id,last_update",
            rows: roles(&updated),
        },
        Table {
            name: "film_category",
            columns: "film_id,category_id,last_update",
            rows: categories(&updated),
        },
        Table {
            name: "inventory",
            columns: "inventory_id,film_id,store_id,last_update",
            rows: copies,
        },
    ]
}

fn roles(updated: &str) -> Vec<String> {
    let mut chance = Chance::seeded(6);
    let mut rows = Vec::new();
    for film in 0..FILMS {
        let wanted = if film < FILMS_WITH_SIX_ACTORS { 6 } else { 5 };
        let mut cast: Vec<u64> = Vec::new();
        while cast.len() < wanted {
            let actor = chance.between(1, ACTORS);
            if !cast.contains(&actor) {
                cast.push(actor);
            }
        }
        rows.extend(
            cast.iter()
                .map(|actor| format!("({actor},{},{updated})", film + 1)),
        );
    }
    rows
}

fn categories(updated: &str) -> Vec<String> {
    let mut chance = Chance::seeded(7);
    let kinds = words::CATEGORIES.len() as u64;
    (1..=FILMS)
        .map(|film| format!("({film},{},{updated})", chance.between(1, kinds)))
        .collect()
}
