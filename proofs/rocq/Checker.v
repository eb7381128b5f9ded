(** * The checker: what FORMAT.md says that a proof's lines do

    Definitions only, all of them executable; Soundness.v shows what they are worth. A proof claims no number: it says what to
    compute. Every default choice of slopes comes from a function [guess], of which nothing is assumed. *)
From Coq Require Import ZArith List Bool.
Import ListNotations.
From Certus Require Import Numbers Statement Blocks Rules Intervals.
Open Scope Z_scope.

(** ** The lines of a proof *)

(** An input, a pre-activation by block and element, or a sum that the proof defines. *)
Inductive var := XVar (i : nat) | RVar (k i : nat) | QVar (k : nat).
Inductive side := Lower | Upper.

(** Ranges [a, b). *)
Definition set : Type := list (nat * nat).

Record hints := Hints {
  (** weights of half-spaces; without: each alone *)
  weights : option (list (nat * dy));
  (** by block: (element, slopes of the lower and of the upper facet in units of 2^-32), elements increasing *)
  slopes : list (nat * list (nat * (option Z * option Z)));
  (** on a lower or upper end, by which factor *)
  lifts : list (side * var * dy) }.

Inductive target := Unstable (k : nat) | Elements (k : nat) (s : set) | Inputs (s : set) | Sums (s : set).

Inductive line :=
  | Crown (range : option (nat * nat)) (h : hints)
  | Tighten (t : target) (which : option side) (h : hints)
  | Refute (cases : option set) (h : hints)
  (** (side, input, place): Lower is x ≥ place, which is to be refuted *)
  | Clip (slabs : list (side * nat * dy)) (h : hints)
  | Split (v : var) (place : dy)
  | Part (cases : set)
  | Leaf.

(** A sum's terms: a variable or its ReLU, times a coefficient. *)
Definition sum_term : Type := var * bool * dy.

(** A tree for some cases, with all sums that are defined before it. *)
Record section := Section { section_sums : list (list sum_term); section_cases : set; section_lines : list line }.

Definition in_set (s : set) (n : nat) : bool := existsb (fun '(a, b) => Nat.leb a n && Nat.ltb n b) s.
Definition members (s : set) : list nat := flat_map (fun '(a, b) => seq a (b - a)) s.

(** ** What does not change along a tree *)

Record context := Context {
  circ : circuit;
  (** by block: its pre-activations' tensor, and its ReLU's *)
  blocks : vec (nat * nat);
  (** by tensor: the number of its block, if it is a ReLU's *)
  numbers : vec nat;
  (** by tensor: those that read it *)
  users : vec (list nat);
  out : nat;
  cases : vec case;
  sums : vec (list term) }.

(** *** States *)

Record state := State {
  ends : intervals;
  sum_ends : vec itv;
  (** some interval is empty: no point is left *)
  void : bool;
  (** tensors whose sources have changed since interval arithmetic last saw them *)
  stale : vec bool;
  opens : list nat }.

Section Checker.
(** Default slopes (lower, upper facet; units of 2^-32) of a ReLU tensor's elements. *)
Variable guess : nat -> intervals -> list (Z * Z).
Variable ctx : context.
Notation c := (circ ctx).

Definition block (k : nat) : option (nat * nat) :=
  if Nat.ltb k (vlength (blocks ctx)) then Some (vget (O, O) (blocks ctx) k) else None.

(** What a variable is the sum of; nothing, if it does not exist. *)
Definition one : dy := Dy 1 0.
Definition resolve (v : var) : option (list term) :=
  match v with
  | XVar i => if Nat.ltb i (size c 0) then Some [(O, i, one)] else None
  | RVar k i =>
    match block k with
    | Some (t, _) => if Nat.ltb i (size c t) then Some [(t, i, one)] else None
    | None => None
    end
  | QVar k => if Nat.ltb k (vlength (sums ctx)) then Some (vget [] (sums ctx) k) else None
  end.

Definition is_some {A} (a : option A) : bool := match a with Some _ => true | None => false end.

(** The last tensor that a variable has to do with. *)
Definition last_of (v : var) : nat :=
  match resolve v with
  | Some l => fold_left (fun n '(t, _, _) => Nat.max n t) l O
  | None => O
  end.

Definition interval_of (s : state) (v : var) : itv :=
  match v with
  | XVar i => vget whole (known (ends s) 0) i
  | RVar k i => match block k with Some (t, _) => vget whole (known (ends s) t) i | None => whole end
  | QVar k => vget whole (sum_ends s) k
  end.

(** *** Intersecting intervals *)

Definition improves (new old : itv) : bool :=
  match fst new, fst old with Some n, Some o => negb (dleb n o) | Some _, None => true | None, _ => false end ||
  match snd new, snd old with Some n, Some o => negb (dleb o n) | Some _, None => true | None, _ => false end.

Definition mark (s : state) (t : nat) : vec bool :=
  fold_left (fun v u => vset v u true) (vget [] (users ctx) t) (stale s).

Definition meet_element (s : state) (t i : nat) (new : itv) : state :=
  let old := vget whole (known (ends s) t) i in
  if improves new old then
    let both := meet old new in
    State (vset (ends s) t (vset (known (ends s) t) i both)) (sum_ends s) (void s || is_empty both) (mark s t) (opens s)
  else s.

Definition meet_var (s : state) (v : var) (new : itv) : state :=
  match v with
  | XVar i => meet_element s 0 i new
  | RVar k i => match block k with Some (t, _) => meet_element s t i new | None => s end
  | QVar k =>
    let both := meet (vget whole (sum_ends s) k) new in
    State (ends s) (vset (sum_ends s) k both) (void s || is_empty both) (stale s) (opens s)
  end.

Fixpoint meet_lists (old new : list itv) : list itv :=
  match old, new with
  | o :: old, n :: new => meet o n :: meet_lists old new
  | _, _ => old
  end.

Fixpoint any_improves (new old : list itv) : bool :=
  match new, old with
  | n :: new, o :: old => improves n o || any_improves new old
  | _, _ => false
  end.

Definition meet_tensor (s : state) (t : nat) (new : list itv) : state :=
  let old := vlist (known (ends s) t) in
  if any_improves new old then
    let both := meet_lists old new in
    State (vset (ends s) t (Vec both)) (sum_ends s) (void s || existsb is_empty both) (mark s t) (opens s)
  else s.

(** Interval arithmetic for one tensor, if it is not up to date. *)
Definition refresh (s : state) (t : nat) : state :=
  if negb (void s) && vget false (stale s) t then
    let s' := State (ends s) (sum_ends s) (void s) (vset (stale s) t false) (opens s) in
    match image c (ends s) t with
    | Some new => meet_tensor s' t new
    | None => s'
    end
  else s.

(** For all tensors up to the last pre-activation that is not after [top]. *)
Definition rebuild (s : state) (top : nat) : state :=
  let last := fold_left (fun n '(t, _) => if Nat.leb t top then Nat.max n t else n) (vlist (blocks ctx)) O in
  fold_left refresh (seq 1 last) s.

(** *** Hints *)

Definition hints_exist (h : hints) : bool :=
  forallb (fun '(k, l) => forallb (fun '(i, _) => is_some (resolve (RVar k i))) l) (slopes h) &&
  forallb (fun '(_, v, _) => is_some (resolve v)) (lifts h).

Definition prepare (s : state) (h : hints) (top : nat) : state :=
  rebuild s (fold_left (fun n '(_, v, _) => Nat.max n (last_of v)) (lifts h) top).

Fixpoint with_hints (i : nat) (l : list (Z * Z)) (h : list (nat * (option Z * option Z))) : list (Z * Z) :=
  match l with
  | [] => []
  | (a, s) :: l =>
    match h with
    | (j, (a', s')) :: rest =>
      if Nat.eqb i j
      then (match a' with Some a => a | None => a end, match s' with Some s => s | None => s end) :: with_hints (S i) l rest
      else (a, s) :: with_hints (S i) l h
    | [] => (a, s) :: l
    end
  end.

(** The relaxations of tensor t, if it is a ReLU's; of those up to a tensor. *)
Definition relaxation (s : state) (h : hints) (t : nat) : facets :=
  match def c t with
  | Some (Relu z) =>
    let k := vget O (numbers ctx) t in
    let hinted := match find (fun kl => Nat.eqb (fst kl) k) (slopes h) with Some (_, l) => l | None => [] end in
    make_facets (with_hints 0 (guess t (ends s)) hinted) (vlist (known (ends s) z))
  | _ => no_facets
  end.

Definition relaxations (s : state) (h : hints) (top : nat) : vec facets := Vec (List.map (relaxation s h) (seq 0 (S top))).

(** Σ −g·(v − l) and −g·(u − v), none of them above 0. *)
Fixpoint lifted (s : state) (l : list (side * var * dy)) : option functional :=
  match l with
  | [] => Some (Functional [] dy0)
  | (sd, v, g) :: l =>
    match resolve v, (match sd with Lower => fst (interval_of s v) | Upper => snd (interval_of s v) end), lifted s l with
    | Some p, Some e, Some f =>
      if 0 <=? man g then
        match sd with
        | Lower => Some (Functional (scale_terms (dopp g) p ++ parts f) (dadd (dmul g e) (const f)))
        | Upper => Some (Functional (scale_terms g p ++ parts f) (dadd (dmul (dopp g) e) (const f)))
        end
      else None
    | _, _, _ => None
    end
  end.

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

Fixpoint node_sizes (known : list nat) (ns : list node) : list nat :=
  match ns with
  | [] => known
  | Affine _ bias _ :: ns => node_sizes (known ++ [length bias]) ns
  | Relu s :: ns => node_sizes (known ++ [nth s known O]) ns
  end.

Definition node_norms (n : node) : list Z :=
  match n with Affine _ _ terms => List.map (fun sm => map_norm (snd sm)) terms | Relu _ => [] end.

Definition circuit_of (net : network) : circuit :=
  Circuit (Vec (None :: List.map Some (nodes net))) (Vec (node_sizes [inputs net] (nodes net))) (Vec ([] :: List.map node_norms (nodes net))).

(** Nodes read earlier tensors only, and their maps fit. *)
Definition node_fits (c : circuit) (t : nat) (n : node) : bool :=
  match n with
  | Affine _ bias terms =>
    forallb (fun sm => Nat.ltb (fst sm) t && map_fits c sm && Nat.leb (length (rows (snd sm))) (length bias)) terms
  | Relu s => Nat.ltb s t
  end.

Fixpoint nodes_fit (c : circuit) (t : nat) (ns : list node) : bool :=
  match ns with
  | [] => true
  | n :: ns => node_fits c t n && nodes_fit c (S t) ns
  end.

Definition network_fits (net : network) : bool :=
  nodes_fit (circuit_of net) 1 (nodes net) && Nat.leb (output net) (length (nodes net)).

Fixpoint relu_blocks (t : nat) (ns : list node) : list (nat * nat) :=
  match ns with
  | [] => []
  | Relu s :: ns => (s, t) :: relu_blocks (S t) ns
  | _ :: ns => relu_blocks (S t) ns
  end.

Fixpoint relu_numbers (k : nat) (ns : list node) : list nat :=
  match ns with
  | [] => []
  | Relu _ :: ns => k :: relu_numbers (S k) ns
  | _ :: ns => k :: relu_numbers k ns
  end.

Definition sources (n : node) : list nat :=
  match n with Affine _ _ terms => List.map fst terms | Relu s => [s] end.

Fixpoint users_of (t : nat) (ns : list node) (v : vec (list nat)) : vec (list nat) :=
  match ns with
  | [] => v
  | n :: ns => users_of (S t) ns (fold_left (fun v s => vset v s (t :: vget [] v s)) (sources n) v)
  end.

Definition context_of (net : network) (st : statement) : context :=
  Context (circuit_of net) (Vec (relu_blocks 1 (nodes net))) (Vec (O :: relu_numbers 0 (nodes net)))
    (users_of 1 (nodes net) (vmake (S (length (nodes net))) [])) (output net) (Vec st) (Vec []).

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
