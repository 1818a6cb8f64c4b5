//! What earlier runs saw, decided and delivered; the only module that knows SQL.
