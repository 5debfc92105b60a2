//! Pages of administrators. None of them shows source; what readers did only in figures, in campaigns.

pub mod agencies;
pub mod campaigns;
pub mod directories;
pub mod grants;
pub mod imports;
pub mod people;
pub mod products;
pub mod suspensions;
