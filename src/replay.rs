//! Joins the stages: plan, then execute.
