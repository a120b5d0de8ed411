//! Prices of many models, and how one is found by its name.

use std::collections::HashMap;
use std::collections::hash_map;

use crate::clause::Clause;
use crate::error::{PriceError, TableError};
use crate::model::ModelPrices;
use crate::{genai, litellm, own};

/// How many near names an error suggests.
const MOST_NEAR: usize = 3;

/// The longest name that near ones are looked for, in bytes.
const LONGEST: usize = 128;

/// Pairs of letters that are compared at most when near names are looked for: several times what the large public tables
/// take, so that a name which somebody else has chosen takes no long time.
const MOST_COMPARED: usize = 1 << 23;

/// The prices of many models, by name. Built once from a text, and then only read.
///
/// A name is looked for exactly as it is written. Only a table in genai-prices' format goes on from there, by that
/// format's own rules: see [`PriceTable::from_genai_prices`].
#[derive(Debug, Default)]
pub struct PriceTable {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    /// In the order of the text; empty but for genai-prices.
    providers: Vec<Provider>,
}

/// A model that has prices, or what stands against using them.
#[derive(Debug)]
pub(crate) enum Entry {
    Priced(ModelPrices),
    Unsupported { name: String, what: String },
}

impl Entry {
    fn name(&self) -> &str {
        match self {
            Self::Priced(model) => model.name(),
            Self::Unsupported { name, .. } => name,
        }
    }
}

/// Whose models are told by clauses.
#[derive(Debug)]
pub(crate) struct Provider {
    /// `name/`, which sets a model's name apart as this provider's.
    pub(crate) prefix: String,
    /// Which names without a provider are this one's.
    pub(crate) model_match: Option<Clause>,
    /// The names of each model, in the order of the text: the first that matches counts.
    pub(crate) models: Vec<(Clause, usize)>,
}

impl PriceTable {
    /// Reads a table in whichever of the three formats its beginning shows: LiteLLM's is an object, genai-prices' an array of
    /// objects, and all else is this crate's own.
    ///
    /// # Errors
    /// As of that format.
    ///
    /// ```
    /// use enforce_prices::PriceTable;
    ///
    /// assert_eq!(PriceTable::read(r#"{"acme-large": {"input_cost_per_token": 5e-07}}"#)?.len(), 1);
    /// assert_eq!(PriceTable::read(r#"[{"id": "acme", "models": []}]"#)?.len(), 0);
    /// assert_eq!(PriceTable::read("[[price]]\nmodel = \"acme-large\"\ninput = \"2\"")?.len(), 1);
    /// assert!(PriceTable::read("{").is_err());
    /// # Ok::<(), enforce_prices::TableError>(())
    /// ```
    pub fn read(text: &str) -> Result<Self, TableError> {
        let mut beginning = text.chars().filter(|character| !character.is_whitespace());
        match (beginning.next(), beginning.next()) {
            (Some('{'), _) => Self::from_litellm(text),
            (Some('['), Some('{' | ']')) => Self::from_genai_prices(text),
            _ => Self::parse(text),
        }
    }

    /// Reads a table in this crate's own format, TOML: `docs/prices.md` describes it.
    ///
    /// # Errors
    /// [`TableError`] with its place: text that is not TOML, an unknown key, a price that is none or no text, a model
    /// that has two prices for the same time and size of input.
    ///
    /// ```
    /// use enforce_prices::PriceTable;
    ///
    /// let row = "[[price]]\nmodel = \"acme-large\"\ninput = \"2\"\n";
    /// assert_eq!(PriceTable::parse(row)?.len(), 1);
    /// let error = PriceTable::parse(&row.repeat(2)).unwrap_err();
    /// assert_eq!((error.line, error.place.as_deref()), (Some(4), Some("\"acme-large\"")));
    /// # Ok::<(), enforce_prices::TableError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, TableError> {
        own::read(text)
    }

    /// Reads a table in the format of genai-prices' `data.json`.
    ///
    /// A model is named `provider/id`. What is not such a name is looked for by the clauses of the table, in its order
    /// and whatever the case: after `provider/` among that provider's models, and without it among those of the first
    /// provider whose `model_match` it meets.
    ///
    /// # Errors
    /// [`TableError`] with its place: text that is not JSON of that format, a price that is none, a model that comes
    /// twice. What a *model* has that is not supported is an error of that model alone, when it is looked for.
    ///
    /// ```
    /// use enforce_prices::PriceTable;
    ///
    /// let text = r#"[{"id": "acme", "model_match": {"starts_with": "acme-"}, "models": [
    ///     {"id": "acme-large", "match": {"contains": "large"}, "prices": {"input_mtok": 2.5, "output_mtok": 10}}
    /// ]}]"#;
    /// let table = PriceTable::from_genai_prices(text)?;
    /// assert_eq!(table.find("Acme-large-2026")?.name(), "acme/acme-large");
    /// assert!(table.find("large").is_err()); // whose?
    /// let error = PriceTable::from_genai_prices(&text.replace("2.5", "-2.5")).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "line 2, column 83: \"acme/acme-large\" input_mtok: a price cannot be negative: write 0 or more dollars: -2.5"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_genai_prices(text: &str) -> Result<Self, TableError> {
        genai::read(text)
    }

    /// Reads a table in the format of LiteLLM's `model_prices_and_context_window.json`.
    ///
    /// A model is named as there, or with its provider before that (`provider/name`) where that is no other's name.
    ///
    /// # Errors
    /// [`TableError`] with its place: text that is not JSON of that format, a price that is none, a model that comes
    /// twice. What a *model* has that is not supported is an error of that model alone, when it is looked for.
    ///
    /// ```
    /// use enforce_prices::{PriceError, PriceTable};
    ///
    /// let table = PriceTable::from_litellm(
    ///     r#"{
    ///     "acme-large": {"litellm_provider": "acme", "input_cost_per_token": 5e-07, "output_cost_per_token": 1e-06},
    ///     "acme-night": {"input_cost_per_token": 5e-07, "off_peak_pricing": {"input_cost_per_token": 1e-07}}
    ///     }"#,
    /// )?;
    /// assert_eq!(table.find("acme/acme-large")?.name(), "acme-large");
    /// assert!(matches!(table.find("acme-night"), Err(PriceError::Unsupported { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_litellm(text: &str) -> Result<Self, TableError> {
        litellm::read(text)
    }

    /// The prices of the model of this name.
    ///
    /// # Errors
    /// [`PriceError::UnknownModel`] with near names, [`PriceError::Unsupported`] with what is not supported.
    ///
    /// ```
    /// use enforce_prices::{PriceError, PriceTable};
    ///
    /// let table = PriceTable::parse("[[price]]\nmodel = \"acme/large\"\ninput = \"2\"")?;
    /// assert_eq!(table.find("acme/large")?.name(), "acme/large");
    /// let near = vec!["acme/large".to_owned()];
    /// let error = PriceError::UnknownModel { model: "large".to_owned(), nearest: near };
    /// assert_eq!(table.find("large").unwrap_err(), error);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn find(&self, model: &str) -> Result<&ModelPrices, PriceError> {
        let at = self.by_name.get(model).copied().or_else(|| self.by_clause(model));
        match at.and_then(|at| self.entries.get(at)) {
            Some(Entry::Priced(prices)) => Ok(prices),
            Some(Entry::Unsupported { name, what }) => {
                Err(PriceError::Unsupported { model: name.clone(), what: what.clone() })
            }
            None => Err(PriceError::UnknownModel { model: model.to_owned(), nearest: self.nearest(model) }),
        }
    }

    /// The models of the table whose prices can be used.
    pub fn models(&self) -> impl Iterator<Item = &ModelPrices> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Priced(model) => Some(model),
            Entry::Unsupported { .. } => None,
        })
    }

    /// How many models the table has, those included whose prices cannot be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the table has no model at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a model under its name and says where it is, or gives it back where the name is taken.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<usize, Entry> {
        let at = self.entries.len();
        if !self.add_name(entry.name().to_owned(), at) {
            return Err(entry);
        }
        self.entries.push(entry);
        Ok(at)
    }

    /// One more name of a model, unless it is taken.
    pub(crate) fn add_name(&mut self, name: String, at: usize) -> bool {
        match self.by_name.entry(name) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(at);
                true
            }
            hash_map::Entry::Occupied(_) => false,
        }
    }

    pub(crate) fn add_provider(&mut self, provider: Provider) {
        self.providers.push(provider);
    }

    fn by_clause(&self, model: &str) -> Option<usize> {
        let qualified =
            self.providers.iter().find_map(|provider| Some((provider, model.strip_prefix(&*provider.prefix)?)));
        let implied = || {
            let matched =
                |provider: &&Provider| provider.model_match.as_ref().is_some_and(|clause| clause.matches(model));
            self.providers.iter().find(matched).map(|provider| (provider, model))
        };
        let (provider, id) = qualified.or_else(implied)?;
        provider.models.iter().find(|(clause, _)| clause.matches(id)).map(|(_, at)| *at)
    }

    /// The names that `model` may be a slip of: by few edits, or as the part after the provider.
    fn nearest(&self, model: &str) -> Vec<String> {
        if model.len() > LONGEST {
            return Vec::new();
        }
        let most = name_after_provider(model).len() / 3;
        let (mut near, mut left) = (Vec::<(usize, &str)>::new(), MOST_COMPARED);
        for name in self.entries.iter().map(Entry::name) {
            let whole = edits(model, name, most, &mut left);
            let bare = edits(name_after_provider(model), name_after_provider(name), most, &mut left);
            let edits = whole.into_iter().chain(bare.map(|edits| edits + 1)).min();
            near.extend(edits.filter(|edits| *edits <= most).map(|edits| (edits, name)));
        }
        near.sort_unstable();
        near.into_iter().take(MOST_NEAR).map(|(_, name)| name.to_owned()).collect()
    }
}

/// What stands behind the last `/`.
fn name_after_provider(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, bare)| bare)
}

/// How many edits lie between two names, unless their lengths alone tell that there are more than `most`, or more has been
/// compared than is `left`.
fn edits(one: &str, other: &str, most: usize, left: &mut usize) -> Option<usize> {
    if one.len().abs_diff(other.len()) > most {
        return None;
    }
    *left = left.checked_sub(one.len() * other.len())?;
    Some(strsim::levenshtein(one, other))
}
