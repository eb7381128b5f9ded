(** * The checker: what FORMAT.md says that a proof's lines do

    Definitions only, all of them executable; Soundness.v shows what they are worth. A proof claims no number: it says what to compute. *)
From Coq Require Import ZArith List Bool.
Import ListNotations.
From Certus Require Import Numbers Statement Blocks Facets Rules Intervals States.
Open Scope Z_scope.

Section Checker.
(** Default slopes (lower, upper facet; units of 2^-32) of a ReLU tensor's elements. *)
Variable guess : nat -> intervals -> list (Z * Z).
Variable ctx : context.
Notation c := (circ ctx).
Local Notation block := (block ctx).
Local Notation resolve := (resolve ctx).
Local Notation last_of := (last_of ctx).
Local Notation interval_of := (interval_of ctx).
Local Notation meet_element := (meet_element ctx).
Local Notation meet_var := (meet_var ctx).
Local Notation rebuild := (rebuild ctx).
Local Notation hints_exist := (hints_exist ctx).
Local Notation prepare := (prepare ctx).
Local Notation lifted := (lifted ctx).
Local Notation relaxations := (relaxations guess ctx).

(** *** Tightening *)

Definition plus (l : list term) (k : dy) (f : functional) : functional := Functional (l ++ parts f) (dadd k (const f)).

Fixpoint resolve_all (l : list var) : option (list (list term)) :=
  match l with
  | [] => Some []
  | v :: l => match resolve v, resolve_all l with Some p, Some r => Some (p :: r) | _, _ => None end
  end.

(** How many functionals of a tensor's elements are swept together: those of elements that read little have little in common. *)
Definition lanes_at (t : nat) : nat :=
  match def c t with
  | Some (Affine _ _ ((s, m) :: _)) => if Nat.ltb (2 * length (hd [] (rows m))) (size c s) then 12 else 24
  | _ => 24
  end.

Definition bound_on (box : list itv) (r : option linear) : option dy :=
  match r with Some r => least_on box r | None => None end.

Definition found (sd : side) (b : option dy) : itv :=
  match sd, b with
  | Lower, Some d => (Some (round_down d), None)
  | Upper, Some d => (None, Some (round_up (dopp d)))
  | _, None => whole
  end.

Fixpoint meet_found (sd : side) (vs : list var) (bs : list (option dy)) (s : state) : state :=
  match vs, bs with
  | v :: vs, b :: bs => meet_found sd vs bs (meet_var s v (found sd b))
  | _, _ => s
  end.

Definition tighten_side (s : state) (vs : list var) (sd : side) (h : hints) : option state :=
  match resolve_all vs, lifted s (lifts h) with
  | Some ps, Some lift =>
    let top := fold_left Nat.max (List.map last_of vs ++ List.map (fun '(_, v, _) => last_of v) (lifts h)) O in
    let sign := match sd with Lower => one | Upper => dopp one end in
    let fs := List.map (fun p => plus (scale_terms sign p) dy0 lift) ps in
    let swept := sweeps (S (length fs)) (lanes_at top) c (relaxations s h top) fs in
    Some (meet_found sd vs (List.map (bound_on (vlist (known (ends s) 0))) swept) s)
  | _, _ => None
  end.

(** l < u/1024 and u > l/1024 *)
Definition is_unstable (i : itv) : bool :=
  match i with
  | (Some l, Some u) => negb (dleb (Dy (man u) (ex u - 10)) l) && negb (dleb u (Dy (man l) (ex l - 10)))
  | _ => true
  end.

Fixpoint unstable_from (k i : nat) (l : list itv) : list var :=
  match l with
  | [] => []
  | a :: l => if is_unstable a then RVar k i :: unstable_from k (S i) l else unstable_from k (S i) l
  end.

Definition target_vars (s : state) (t : target) : list var :=
  match t with
  | Unstable k => match block k with Some (z, _) => unstable_from k 0 (vlist (known (ends s) z)) | None => [] end
  | Elements k l => List.map (RVar k) (members l)
  | Inputs l => List.map XVar (members l)
  | Sums l => List.map QVar (members l)
  end.

Definition target_top (t : target) : nat :=
  match t with
  | Unstable k | Elements k _ => match block k with Some (z, _) => z | None => O end
  | Inputs _ => O
  | Sums l => fold_left (fun n k => Nat.max n (last_of (QVar k))) (members l) O
  end.

Definition end_of (s : set) : nat := fold_left (fun n '(_, b) => Nat.max n b) s O.
Definition target_exists (t : target) : bool :=
  match t with
  | Unstable k => is_some (block k)
  | Elements k l => is_some (resolve (RVar k (end_of l - 1)))
  | Inputs l => is_some (resolve (XVar (end_of l - 1)))
  | Sums l => is_some (resolve (QVar (end_of l - 1)))
  end.

Definition tighten_one (t : target) (h : hints) (s : option state) (sd : side) : option state :=
  match s with
  | Some s =>
    let s := prepare s h (target_top t) in
    if void s then Some s else
    match target_vars s t with
    | [] => Some s
    | vs => tighten_side s vs sd h
    end
  | None => None
  end.

Definition tighten (s : state) (t : target) (which : option side) (h : hints) : option state :=
  if target_exists t && hints_exist h then
    match which with
    | Some sd => tighten_one t h (Some s) sd
    | None => tighten_one t h (tighten_one t h (Some s) Upper) Lower
    end
  else None.

(** One affine map of the inputs: interval arithmetic is exact there. *)
Definition is_monomial (n : nat) (m : map) : bool :=
  forallb (fun r => Nat.leb (length r) 1) (rows m) &&
  negb (existsb (fun k => Nat.ltb 1 k)
    (vlist (fold_left (fun v r => fold_left (fun v '(j, _) => vset v j (S (vget O v j))) r v) (rows m) (vmake n O)))).

Fixpoint is_first (turns : nat) (last : bool) (t : nat) : bool :=
  match turns, def c t with
  | _, None => true
  | S turns, Some (Affine _ _ [(s, m)]) => if last || is_monomial (size c s) m then is_first turns false s else false
  | _, Some (Affine _ _ []) => true
  | _, _ => false
  end.

Definition crown_block (h : hints) (s : option state) (k : nat) : option state :=
  match s, block k with
  | Some s, Some (t, _) => if is_first (S t) true t then Some s else tighten s (Unstable k) None h
  | _, _ => None
  end.

Definition crown (s : state) (range : option (nat * nat)) (h : hints) : option state :=
  let '(a, b) := match range with Some r => r | None => (O, vlength (blocks ctx)) end in
  if Nat.leb b (vlength (blocks ctx)) && hints_exist h
  then fold_left (crown_block h) (seq a (b - a)) (Some (prepare s h 0)) else None.

(** *** Refuting *)

Definition no_case : case := Case [] [].
Definition case_of (k : nat) : case := vget no_case (cases ctx) k.
Definition slab : Type := side * nat * dy.

Fixpoint meet_box (l : list itv) (b : list (dy * dy)) : list itv :=
  match l, b with
  | i :: l, (lo, hi) :: b => meet i (Some lo, Some hi) :: meet_box l b
  | _, _ => l
  end.

Definition slab_itv (sd : side) (place : dy) : itv :=
  match sd with Lower => (Some place, None) | Upper => (None, Some place) end.

(** The inputs of the state in the case's box, and in the slab. *)
Definition region (s : state) (k : nat) (sl : option slab) : list itv :=
  let b := meet_box (vlist (known (ends s) 0)) (box (case_of k)) in
  match sl with
  | Some (sd, i, place) => replace b i (meet (nth i b whole) (slab_itv sd place))
  | None => b
  end.

Definition port_term (p : port * dy) : term :=
  match p with (X i, d) => (O, i, d) | (Y j, d) => (out ctx, j, d) end.

Fixpoint weighted (k : case) (ws : list (nat * dy)) : option functional :=
  match ws with
  | [] => Some (Functional [] dy0)
  | (h, w) :: ws =>
    match nth_error (half_spaces k) h, weighted k ws with
    | Some hs, Some f =>
      if 0 <=? man w
      then Some (Functional (scale_terms w (List.map port_term (terms hs)) ++ parts f) (dadd (dmul (dopp w) (right hs)) (const f)))
      else None
    | _, _ => None
    end
  end.

Definition has_strict (k : case) (ws : list (nat * dy)) : bool :=
  existsb (fun '(h, w) => (0 <? man w) && match nth_error (half_spaces k) h with Some hs => strict hs | None => false end) ws.

(** The ways to refute a case. *)
Definition ways (h : hints) (k : case) : list (list (nat * dy)) :=
  match weights h with
  | Some ws => [ws]
  | None => List.map (fun i => [(i, one)]) (seq 0 (length (half_spaces k)))
  end.

Fixpoint functionals_of (k : case) (lift : functional) (l : list (list (nat * dy))) : option (list functional) :=
  match l with
  | [] => Some []
  | ws :: l =>
    match weighted k ws, functionals_of k lift l with
    | Some f, Some r => Some (plus (parts f) (const f) lift :: r)
    | _, _ => None
    end
  end.

Fixpoint succeeds (k : case) (l : list (list (nat * dy))) (bs : list (option dy)) : bool :=
  match l, bs with
  | ws :: l, b :: bs =>
    match b with
    | Some d => (0 <? man d) || ((man d =? 0) && has_strict k ws)
    | None => false
    end || succeeds k l bs
  | _, _ => false
  end.

(** The functionals of all ways of some cases. *)
Fixpoint all_functionals (lift : functional) (h : hints) (ks : list nat) : option (list (list functional)) :=
  match ks with
  | [] => Some []
  | k :: ks =>
    match functionals_of (case_of k) lift (ways h (case_of k)), all_functionals lift h ks with
    | Some f, Some r => Some (f :: r)
    | _, _ => None
    end
  end.

(** A list in groups as large as those of another. *)
Fixpoint regroup {A B} (groups : list (list A)) (l : list B) : list (list B) :=
  match groups with
  | [] => []
  | g :: groups => firstn (length g) l :: regroup groups (skipn (length g) l)
  end.

Fixpoint all2 {A B} (f : A -> B -> bool) (l : list A) (m : list B) : bool :=
  match l, m with
  | [], [] => true
  | a :: l, b :: m => f a b && all2 f l m
  | _, _ => false
  end.

Definition no_input (s : state) (k : nat) (sl : option slab) : bool := existsb is_empty (region s k sl).

(** Whether what was swept refutes a case, in all of these slabs of it. *)
Definition refuted_by (s : state) (h : hints) (sls : list (option slab)) (k : nat) (swept : list (option linear)) : bool :=
  forallb (fun sl => no_input s k sl ||
    succeeds (case_of k) (ways h (case_of k)) (List.map (bound_on (region s k sl)) swept)) sls.

(** Refutes these cases in these slabs; without a slab, everywhere. *)
Definition prove (s : state) (h : hints) (ks : list nat) (sls : list (option slab)) : bool :=
  void s ||
  (let ks := filter (fun k => negb (forallb (no_input s k) sls)) ks in
   match lifted s (lifts h) with
   | Some lift =>
     match all_functionals lift h ks with
     | Some groups =>
       let fs := concat groups in
       let swept := sweeps (S (length fs)) 24 c (relaxations s h (vlength (defs c))) fs in
       all2 (refuted_by s h sls) ks (regroup groups swept)
     | None => false
     end
   | None => false
   end).

Definition all_tensors : nat := vlength (defs c).

Definition with_opens (s : state) (l : list nat) : state := State (ends s) (sum_ends s) (void s) (stale s) l.

(** Whether every case of the set is there. *)
Definition cases_exist (l : set) : bool := Nat.leb (end_of l) (vlength (cases ctx)).

Definition refute (s : state) (l : option set) (h : hints) : option state :=
  let chosen n := match l with Some l => in_set l n | None => true end in
  if hints_exist h && match l with Some l => cases_exist l | None => true end then
    let s := prepare s h all_tensors in
    if prove s h (filter chosen (opens s)) [None]
    then Some (with_opens s (filter (fun n => negb (chosen n)) (opens s))) else None
  else None.

Definition cut (s : state) (sl : slab) : state :=
  match sl with
  | (Lower, i, place) => meet_element s 0 i (None, Some place)
  | (Upper, i, place) => meet_element s 0 i (Some place, None)
  end.

Definition clip (s : state) (slabs : list slab) (h : hints) : option state :=
  if hints_exist h && forallb (fun '(_, i, _) => is_some (resolve (XVar i))) slabs then
    let s := prepare s h all_tensors in
    if prove s h (opens s) (List.map Some slabs)
    then Some (fold_left cut slabs s) else None
  else None.

(** *** Trees *)

(** Where a line leads: to the same node with more known, to two children, or (a leaf that holds) to nothing. *)
Definition step (s : state) (l : line) : option (list state) :=
  match l with
  | Crown r h => option_map (fun s => [s]) (crown s r h)
  | Tighten t w h => option_map (fun s => [s]) (tighten s t w h)
  | Refute k h => option_map (fun s => [s]) (refute s k h)
  | Clip sl h => option_map (fun s => [s]) (clip s sl h)
  | Split v place =>
    if is_some (resolve v)
    then Some [meet_var s v (None, Some place); meet_var s v (Some place, None)] else None
  | Part k =>
    if cases_exist k
    then Some [with_opens s (filter (in_set k) (opens s)); with_opens s (filter (fun n => negb (in_set k n)) (opens s))]
    else None
  | Leaf =>
    match opens s with
    | [] => Some []
    | _ =>
      let s := rebuild s all_tensors in
      if void s || forallb (fun n => existsb is_empty (region s n None)) (opens s) then Some [] else None
    end
  end.

(** A walk through a tree; second children wait for their siblings. *)
Fixpoint walk (lines : list line) (waiting : list state) : bool :=
  match lines, waiting with
  | [], [] => true
  | l :: lines, s :: waiting =>
    match step s l with
    | Some next => walk lines (next ++ waiting)
    | None => false
    end
  | _, _ => false
  end.

(** *** Roots *)

Definition box_empty (b : list (dy * dy)) : bool := existsb (fun '(l, u) => negb (dleb l u)) b.

Fixpoint hull_box (a b : list (dy * dy)) : list (dy * dy) :=
  match a, b with
  | (l, u) :: a, (l', u') :: b => (dmin l l', dmax u u') :: hull_box a b
  | _, _ => a
  end.

(** The smallest box that holds the boxes that are not empty, if there are any. *)
Definition hull_step (k : option (list (dy * dy))) (b : list (dy * dy)) : option (list (dy * dy)) :=
  if box_empty b then k else
  match k with
  | Some a => Some (hull_box a b)
  | None => Some b
  end.
Definition hull (l : list nat) : option (list (dy * dy)) := fold_left (fun k n => hull_step k (box (case_of n))) l None.

Definition root (l : list nat) : state :=
  let rest := List.map (fun n => vmake n whole) (tl (vlist (sizes c))) in
  let live b := Vec (Vec (List.map (fun '(l, u) => (Some l, Some u)) b) :: rest) in
  let qs := vmake (vlength (sums ctx)) whole in
  match hull l with
  | Some b => State (live b) qs false (vmake all_tensors true) l
  | None => State (live []) qs true (vmake all_tensors true) l
  end.

Definition tree_holds (l : set) (lines : list line) : bool :=
  cases_exist l && walk lines [root (members l)].

End Checker.
(** ** Whole proofs *)

(** The terms of a sum that a proof defines. *)
Definition sum_part (ctx : context) (s : sum_term) : option term :=
  match s with
  | (XVar i, false, d) => if Nat.ltb i (size (circ ctx) 0) then Some (O, i, d) else None
  | (RVar k i, r, d) =>
    match block ctx k with
    | Some (z, t) => if Nat.ltb i (size (circ ctx) z) then Some (if (r : bool) then t else z, i, d) else None
    | None => None
    end
  | _ => None
  end.

Fixpoint sum_parts (ctx : context) (l : list sum_term) : option (list term) :=
  match l with
  | [] => Some []
  | s :: l => match sum_part ctx s, sum_parts ctx l with Some t, Some r => Some (t :: r) | _, _ => None end
  end.

Fixpoint all_sums (ctx : context) (l : list (list sum_term)) : option (list (list term)) :=
  match l with
  | [] => Some []
  | s :: l => match sum_parts ctx s, all_sums ctx l with Some t, Some r => Some (t :: r) | _, _ => None end
  end.

Definition with_sums (ctx : context) (l : list (list term)) : context :=
  Context (circ ctx) (blocks ctx) (numbers ctx) (users ctx) (out ctx) (cases ctx) (Vec l).

Definition section_holds (guess : nat -> intervals -> list (Z * Z)) (ctx : context) (s : section) : bool :=
  match all_sums ctx (section_sums s) with
  | Some l => tree_holds guess (with_sums ctx l) (section_cases s) (section_lines s)
  | None => false
  end.

Definition check (guess : nat -> intervals -> list (Z * Z)) (net : network) (st : statement) (proof : list section) : bool :=
  network_fits net &&
  forallb (fun k => Nat.eqb (length (box k)) (inputs net)) st &&
  (let ctx := context_of net st in forallb (section_holds guess ctx) proof) &&
  forallb (fun n => existsb (fun s => in_set (section_cases s) n) proof) (seq 0 (length st)).
