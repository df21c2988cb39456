//! The names of people, films and places. Lists of our own, combined so that nothing repeats.

const GIVEN: [&str; 40] = [
    "ADA", "BRUNO", "CLARA", "DARIO", "EDITH", "FELIX", "GRETA", "HUGO", "IRIS", "JONAS", "KATYA", "LEON",
    "MIRA", "NILS", "OLGA", "PABLO", "QUINN", "ROSA", "STELLAN", "TESSA", "ULRIKE", "VIKTOR", "WANDA",
    "XENIA", "YANNICK", "ZELDA", "ANTON", "BEATA", "CYRIL", "DAPHNE", "EMIL", "FRIDA", "GASPARD", "HELGA",
    "IVO", "JUNA", "KASPAR", "LENA", "MILO", "NORA",
];

const FAMILY: [&str; 35] = [
    "ABENDROT",
    "BACHMEIER",
    "CORVINO",
    "DELACROIX",
    "EICHHORN",
    "FERRANTE",
    "GREENLEAF",
    "HAWTHORN",
    "IVERSEN",
    "JANKOWSKI",
    "KESTREL",
    "LINDQUIST",
    "MARLOWE",
    "NIGHTINGALE",
    "OAKLEY",
    "PEMBERTON",
    "QUILLON",
    "ROSEWATER",
    "SANDOVAL",
    "THISTLE",
    "UNDERHILL",
    "VALLANCE",
    "WINTERS",
    "YARROW",
    "ZIMMER",
    "ASHDOWN",
    "BRIGHTWELL",
    "COPPER",
    "DUNMORE",
    "ELLERY",
    "FAIRWEATHER",
    "GALLOWAY",
    "HOLLOWAY",
    "INGRAM",
    "JESSUP",
];

const TITLE_FIRST: [&str; 40] = [
    "AMBER",
    "BORROWED",
    "CARDBOARD",
    "DISTANT",
    "ELECTRIC",
    "FORGOTTEN",
    "GOLDEN",
    "HOLLOW",
    "INVISIBLE",
    "JOYFUL",
    "KINDRED",
    "LAZY",
    "MIDNIGHT",
    "NEON",
    "ORDINARY",
    "PAPER",
    "QUIET",
    "RESTLESS",
    "SILVER",
    "TWISTED",
    "UNEVEN",
    "VELVET",
    "WANDERING",
    "YELLOW",
    "ZEALOUS",
    "ARCTIC",
    "BROKEN",
    "CRIMSON",
    "DAWDLING",
    "ENDLESS",
    "FEARLESS",
    "GENTLE",
    "HIDDEN",
    "IRON",
    "JADED",
    "KNOTTED",
    "LUMINOUS",
    "MARBLE",
    "NORTHERN",
    "OPEN",
];

const TITLE_SECOND: [&str; 25] = [
    "ACCORDION",
    "BRIDGE",
    "CARAVAN",
    "DETOUR",
    "ESCALATOR",
    "FERRY",
    "GARDEN",
    "HARVEST",
    "ISLAND",
    "JUBILEE",
    "KITE",
    "LANTERN",
    "MERIDIAN",
    "NOTEBOOK",
    "ORCHARD",
    "PASSENGER",
    "QUARRY",
    "RAILWAY",
    "SUITCASE",
    "TELESCOPE",
    "UMBRELLA",
    "VINEYARD",
    "WINDMILL",
    "YACHT",
    "ZEPPELIN",
];

const TONE: [&str; 12] = [
    "quiet",
    "brisk",
    "stubborn",
    "tender",
    "puzzling",
    "sunlit",
    "unhurried",
    "wry",
    "stormy",
    "curious",
    "frugal",
    "hopeful",
];

const FORM: [&str; 10] = [
    "portrait",
    "journey",
    "puzzle",
    "chronicle",
    "farce",
    "ballad",
    "letter",
    "experiment",
    "memoir",
    "riddle",
];

const FIGURE: [&str; 20] = [
    "clockmaker",
    "lighthouse keeper",
    "tram driver",
    "botanist",
    "retired umpire",
    "cartographer",
    "beekeeper",
    "night nurse",
    "piano tuner",
    "glass blower",
    "ferryman",
    "baker",
    "archivist",
    "roofer",
    "weaver",
    "diver",
    "librarian",
    "mountain guide",
    "tailor",
    "translator",
];

const DEED: [&str; 10] = [
    "outwit",
    "forgive",
    "find",
    "teach",
    "race",
    "persuade",
    "rescue",
    "follow",
    "replace",
    "understand",
];

const SETTING: [&str; 10] = [
    "an empty station",
    "a drifting ship",
    "the last cinema",
    "a frozen harbour",
    "a town without clocks",
    "a roadside inn",
    "a walled garden",
    "an unfinished bridge",
    "a house on stilts",
    "the far end of the valley",
];

const SYLLABLE_FIRST: [&str; 30] = [
    "Ar", "Bel", "Cor", "Dun", "El", "Fal", "Gar", "Hol", "Is", "Jor", "Kel", "Lor", "Mar", "Nor", "Or",
    "Pel", "Quin", "Ros", "Sel", "Tor", "Ul", "Val", "Wes", "Yar", "Zel", "Am", "Bran", "Cal", "Dor", "Es",
];

const SYLLABLE_MIDDLE: [&str; 5] = ["a", "en", "i", "or", "u"];

const CITY_END: [&str; 4] = ["ville", "mouth", "bury", "stad"];

const COUNTRY_END: [&str; 4] = ["land", "via", "stan", "ria"];

const STREET: [&str; 9] = [
    "Alley",
    "Avenue",
    "Boulevard",
    "Crescent",
    "Drive",
    "Lane",
    "Parkway",
    "Street",
    "Terrace",
];

/// The categories of films.
pub(super) const CATEGORIES: [&str; 16] = [
    "Adventure",
    "Biography",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Family",
    "Fantasy",
    "History",
    "Music",
    "Mystery",
    "Nature",
    "Romance",
    "Science",
    "Sports",
    "Travel",
];

/// The languages of films.
pub(super) const LANGUAGES: [&str; 6] = ["English", "Spanish", "Arabic", "Hindi", "Portuguese", "Korean"];

/// `list[index]`, around and around.
fn pick(list: &[&'static str], index: usize) -> &'static str {
    list[index % list.len()]
}

/// Given and family name; different for every index below 40 × 35.
pub(super) fn person(index: usize) -> (&'static str, &'static str) {
    // the step through the family names is shifted once per round of given names
    (
        pick(&GIVEN, index),
        pick(&FAMILY, index + index / (GIVEN.len() * FAMILY.len() / 5)),
    )
}

/// Different for every index below 1000.
pub(super) fn title(index: usize) -> String {
    format!(
        "{} {}",
        pick(&TITLE_FIRST, index / TITLE_SECOND.len()),
        pick(&TITLE_SECOND, index)
    )
}

/// One sentence about a film.
pub(super) fn description(index: usize) -> String {
    format!(
        "A {} {} of a {} and a {} who must {} a {} in {}",
        pick(&TONE, index),
        pick(&FORM, index / 3),
        pick(&FIGURE, index),
        pick(&FIGURE, index / 7 + 5),
        pick(&DEED, index / 2),
        pick(&FIGURE, index / 11 + 11),
        pick(&SETTING, index / 5)
    )
}

/// Different for every index below 600.
pub(super) fn city(index: usize) -> String {
    place(index, &CITY_END)
}

/// Different for every index below 600.
pub(super) fn country(index: usize) -> String {
    place(index, &COUNTRY_END)
}

fn place(index: usize, ends: &[&'static str]) -> String {
    let (first, rest) = (index % SYLLABLE_FIRST.len(), index / SYLLABLE_FIRST.len());
    let (middle, end) = (rest % SYLLABLE_MIDDLE.len(), rest / SYLLABLE_MIDDLE.len());
    format!(
        "{}{}{}",
        pick(&SYLLABLE_FIRST, first),
        pick(&SYLLABLE_MIDDLE, middle),
        pick(ends, end)
    )
}

/// A part of a country.
pub(super) fn district(index: usize) -> String {
    format!(
        "{}{}shire",
        pick(&SYLLABLE_FIRST, index / 2),
        pick(&SYLLABLE_MIDDLE, index)
    )
}

/// House number and street.
pub(super) fn street(index: usize, number: u64) -> String {
    format!("{number} {} {}", city(index * 7 % 600), pick(&STREET, index))
}

/// `ADA.KESTREL@example.com`
pub(super) fn email(first: &str, last: &str) -> String {
    format!("{first}.{last}@example.com")
}
