//! Pages of administrators. None of them shows source or what readers did.

pub mod agencies;
pub mod directories;
pub mod grants;
pub mod imports;
pub mod people;
pub mod products;
pub mod suspensions;
