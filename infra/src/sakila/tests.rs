use std::collections::HashSet;

use super::*;

fn counts() -> Vec<(&'static str, usize)> {
    tables()
        .iter()
        .map(|table| (table.name, table.rows.len()))
        .collect()
}

#[test]
fn every_table_has_the_public_samples_number_of_rows() {
    let mut seen = counts();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("actor", 200),
            ("address", 603),
            ("category", 16),
            ("city", 600),
            ("country", 109),
            ("customer", 599),
            ("film", 1000),
            ("film_actor", 5462),
            ("film_category", 1000),
            ("inventory", 4581),
            ("language", 6),
            ("payment", 16049),
            ("rental", 16044),
            ("staff", 2),
            ("store", 2),
        ]
    );
}

#[test]
fn the_same_rows_come_out_every_time() {
    assert_eq!(statements(), statements());
}

#[test]
fn every_table_is_created_and_no_row_repeats() {
    for table in tables() {
        let created = schema::TABLES
            .iter()
            .any(|text| text.starts_with(&format!("CREATE TABLE {} (", table.name)));
        assert!(created, "{} has rows but no CREATE TABLE", table.name);
        let different: HashSet<&String> = table.rows.iter().collect();
        assert_eq!(different.len(), table.rows.len(), "{} repeats a row", table.name);
    }
}

#[test]
fn no_copy_is_rented_out_twice_at_a_time() {
    let rentals = rental::rentals(&stock::inventory());
    let mut back_at = std::collections::HashMap::new();
    for rental in &rentals {
        let free_from = back_at
            .insert(rental.inventory_id, rental.returned_s.unwrap_or(u64::MAX))
            .unwrap_or(0);
        assert!(
            free_from <= rental.rented_s,
            "copy {} is still out",
            rental.inventory_id
        );
    }
}

#[test]
fn names_of_films_places_and_people_fit_their_columns() {
    let longest = |names: Vec<String>| names.iter().map(String::len).max().unwrap();
    assert!(longest((0..1000).map(words::title).collect()) <= 128);
    assert!(longest((0..600).map(words::city).collect()) <= 50);
    assert!(longest((0..603).map(words::district).collect()) <= 20);
}

#[test]
fn films_and_cities_have_names_of_their_own() {
    let titles: HashSet<String> = (0..1000).map(words::title).collect();
    assert_eq!(titles.len(), 1000);
    let cities: HashSet<String> = (0..600).map(words::city).collect();
    assert_eq!(cities.len(), 600);
}
