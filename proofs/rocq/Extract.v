(** * Extraction: the checker as an OCaml program

    Integers become those of zarith, natural numbers machine integers (they count elements and lines, which memory holds), vectors persistent
    arrays. What stands here, in ocaml/integers.ml and ocaml/vector.ml is trusted. *)
From Coq Require Import ZArith List Bool Extraction.
From Certus Require Import Numbers Lanes Statement Blocks Facets Rules Intervals States Checker.

Extraction Language OCaml.
Extraction Blacklist List String Z.

Extract Inductive bool => "bool" [ "true" "false" ].
Extract Inductive option => "option" [ "Some" "None" ].
Extract Inductive list => "list" [ "[]" "(::)" ].
Extract Inductive prod => "(*)" [ "(,)" ].
Extract Inlined Constant andb => "(&&)".
Extract Inlined Constant orb => "(||)".
Extract Inlined Constant negb => "not".

Extract Inductive nat => "int" [ "0" "succ" ] "(fun zero next n -> if n = 0 then zero () else next (n - 1))".
Extract Inlined Constant Nat.add => "(+)".
Extract Inlined Constant Nat.sub => "Integers.nat_sub".
Extract Inlined Constant Nat.max => "Integers.nat_max".
Extract Inlined Constant Init.Nat.add => "(+)".
Extract Inlined Constant Init.Nat.sub => "Integers.nat_sub".
Extract Inlined Constant Init.Nat.max => "Integers.nat_max".
Extract Inlined Constant Init.Nat.eqb => "Integers.nat_eqb".
Extract Inlined Constant Init.Nat.leb => "Integers.nat_leb".
Extract Inlined Constant Init.Nat.ltb => "Integers.nat_ltb".
Extract Inlined Constant Nat.eqb => "Integers.nat_eqb".
Extract Inlined Constant Nat.leb => "Integers.nat_leb".
Extract Inlined Constant Nat.ltb => "Integers.nat_ltb".

Extract Inductive positive => "Integers.t" [ "Integers.double_and_one" "Integers.double" "Integers.one" ] "Integers.match_positive".
Extract Inductive Z => "Integers.t" [ "Integers.zero" "" "Integers.opp" ] "Integers.match_z".
Extract Inlined Constant Z.add => "Integers.add".
Extract Inlined Constant Z.sub => "Integers.sub".
Extract Inlined Constant Z.mul => "Integers.mul".
Extract Inlined Constant Z.opp => "Integers.opp".
Extract Inlined Constant Z.abs => "Integers.abs".
Extract Inlined Constant Z.min => "Integers.min".
Extract Inlined Constant Z.max => "Integers.max".
Extract Inlined Constant Z.eqb => "Integers.eqb".
Extract Inlined Constant Z.leb => "Integers.leb".
Extract Inlined Constant Z.ltb => "Integers.ltb".
Extract Inlined Constant Z.shiftl => "Integers.shiftl".
Extract Inlined Constant Z.shiftr => "Integers.shiftr".
Extract Inlined Constant Z.of_nat => "Integers.of_nat".
Extract Inlined Constant bits => "Integers.bits".
Extract Inlined Constant Z.log2 => "Integers.log2".
Extract Inlined Constant Z.compare => "(fun a b -> let s = Integers.compare a b in if s = 0 then Eq else if s < 0 then Lt else Gt)".

Extract Inductive vec => "Vector.t" [ "Vector.of_list" ] "Vector.match_vector".
Extract Inlined Constant vlist => "Vector.to_list".
Extract Inlined Constant vget => "Vector.get".
Extract Inlined Constant vset => "Vector.set".
Extract Inlined Constant vlength => "Vector.length".
Extract Inlined Constant vmake => "Vector.make".

Extraction "ocaml/kernel.ml" check.
