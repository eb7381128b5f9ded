(** What the theorem rests on: nothing but the axioms of Coq's real numbers. *)
From Certus Require Import Soundness.
Print Assumptions check_sound.
