(** * Interval arithmetic

    Shown here: the intervals that a tensor gets from those of its sources, rounded outward, hold its values ([image_ok]). *)
From Coq Require Import ZArith Reals List Lia Lra Bool.
Import ListNotations.
From Certus Require Import Numbers Statement Blocks Facets Rules.
Open Scope R_scope.

(** Intervals of all elements of all tensors. *)
Definition intervals : Type := vec (vec itv).
Definition known (S : intervals) (t : nat) : vec itv := vget (Vec []) S t.
Definition within (S : intervals) (x : values) : Prop := forall t i, inside (vget whole (known S t) i) (x t i).

Fixpoint aligned (e : Z) (ends : list itv) : option (list (Z * Z)) :=
  match ends with
  | [] => Some []
  | (l, u) :: ends =>
    match in_units e l, in_units e u, aligned e ends with
    | Some l, Some u, Some rest => Some ((l, u) :: rest)
    | _, _, _ => None
    end
  end.

Definition hold (e : Z) (v : list (Z * Z)) (x : nat -> R) : Prop := forall j, (j < length v)%nat ->
  p2 e * IZR (fst (nth j v (0, 0)%Z)) <= x j <= p2 e * IZR (snd (nth j v (0, 0)%Z)).

Lemma aligned_ok e ends v x : (forall j, inside (nth j ends whole) (x j)) -> aligned e ends = Some v -> hold e v x.
Proof.
  revert v x. induction ends as [|[l u] ends IH]; intros v x H E; simpl in E.
  - injection E as <-. intros j Hj; simpl in Hj; lia.
  - destruct (in_units e l) as [ml|] eqn:L; [|discriminate]. destruct (in_units e u) as [mu|] eqn:U; [|discriminate].
    destruct (aligned e ends) as [rest|]; [|discriminate]. injection E as <-.
    intros [|j] Hj; simpl.
    + destruct l as [l|]; [|discriminate]. destruct u as [u|]; [|discriminate].
      rewrite (in_units_val _ _ _ L), (in_units_val _ _ _ U). apply (H O).
    + apply (IH rest (fun j => x (S j))); auto. intros k; apply (H (S k)). simpl in Hj; lia.
Qed.

Fixpoint row_range (r : row) (v : vec (Z * Z)) (lo hi : Z) : Z * Z :=
  match r with
  | [] => (lo, hi)
  | (j, w) :: r =>
    let '(l, u) := vget (0, 0)%Z v j in
    if (w <? 0)%Z then row_range r v (lo + w * u) (hi + w * l) else row_range r v (lo + w * l) (hi + w * u)
  end.

Lemma row_range_ok e r v lo hi x : hold e (vlist v) x -> row_fits (vlength v) r = true ->
  p2 e * IZR (fst (row_range r v lo hi)) <= p2 e * IZR lo + row_value r x /\
  p2 e * IZR hi + row_value r x <= p2 e * IZR (snd (row_range r v lo hi)).
Proof.
  intros H. revert lo hi. induction r as [|[j w] r IH]; intros lo hi F; simpl in *; [lra|].
  apply andb_prop in F as [Fj Fr]. apply Nat.ltb_lt in Fj. specialize (H j Fj). unfold vget.
  destruct (nth j (vlist v) (0, 0)%Z) as [l u]; simpl in H.
  destruct (Z.ltb_spec w 0) as [W|W].
  - destruct (IH (lo + w * u)%Z (hi + w * l)%Z Fr). rewrite !plus_IZR, !mult_IZR in *. apply IZR_lt in W. nra.
  - destruct (IH (lo + w * l)%Z (hi + w * u)%Z Fr). rewrite !plus_IZR, !mult_IZR in *. apply IZR_le in W. nra.
Qed.

Fixpoint add_ranges (e : Z) (v : vec (Z * Z)) (rs : list row) (sum : list (dy * dy)) : list (dy * dy) :=
  match rs, sum with
  | r :: rs, (l, u) :: sum =>
    let '(lo, hi) := row_range r v 0 0 in
    (dadd l (Dy lo e), dadd u (Dy hi e)) :: add_ranges e v rs sum
  | _, _ => sum
  end.

Definition spans (s : list (dy * dy)) (f : nat -> R) : Prop := forall i, (i < length s)%nat ->
  val (fst (nth i s (dy0, dy0))) <= f i <= val (snd (nth i s (dy0, dy0))).

Lemma add_ranges_ok e k v rs sum x f : hold e (vlist v) x -> forallb (row_fits (vlength v)) rs = true ->
  spans sum f -> spans (add_ranges (e + k) v rs sum) (fun i => p2 k * row_value (nth i rs []) x + f i).
Proof.
  intros H. revert sum f. induction rs as [|r rs IH]; intros sum f F S; simpl.
  - intros i Hi. specialize (S i Hi). destruct i; simpl; lra.
  - simpl in F. apply andb_prop in F as [Fr Frs]. destruct sum as [|[l u] sum].
    + intros i Hi; simpl in Hi; lia.
    + destruct (row_range_ok e r v 0 0 x H Fr) as [A B]. destruct (row_range r v 0 0) as [lo hi]. simpl in A, B.
      intros [|i] Hi; simpl.
      * specialize (S O ltac:(simpl; lia)). simpl in S. rewrite !val_dadd.
        change (val (Dy lo (e + k))) with (IZR lo * p2 (e + k)). change (val (Dy hi (e + k))) with (IZR hi * p2 (e + k)).
        rewrite p2_add. pose proof (p2_pos k).
        assert (p2 k * (p2 e * IZR lo) <= p2 k * row_value r x) by (apply Rmult_le_compat_l; lra).
        assert (p2 k * row_value r x <= p2 k * (p2 e * IZR hi)) by (apply Rmult_le_compat_l; lra). lra.
      * apply (IH sum (fun i => f (Datatypes.S i)) Frs).
        -- intros j Hj. apply (S (Datatypes.S j)). simpl; lia.
        -- simpl in Hi; lia.
Qed.

Fixpoint add_terms (c : circuit) (S : intervals) (terms : list (nat * map)) (sum : list (dy * dy)) : option (list (dy * dy)) :=
  match terms with
  | [] => Some sum
  | (s, m) :: terms =>
    let ends := vlist (known S s) in
    let e := common_exponent ends in
    match aligned e ends with
    | Some v =>
      let v := Vec v in
      if Nat.eqb (vlength v) (size c s) then add_terms c S terms (add_ranges (e + unit m) v (rows m) sum) else None
    | None => None
    end
  end.

Lemma add_terms_ok c S terms sum r x f : within S x -> forallb (map_fits c) terms = true ->
  spans sum f -> add_terms c S terms sum = Some r -> spans r (fun i => f i + terms_value terms i x).
Proof.
  intros W. revert sum f. induction terms as [|[s m] terms IH]; intros sum f F H E; simpl in *.
  - injection E as <-. intros i Hi. specialize (H i Hi). lra.
  - apply andb_prop in F as [Fm Ft]. set (ends := vlist (known S s)) in *. set (e := common_exponent ends) in *.
    destruct (aligned e ends) as [v|] eqn:A; [|discriminate].
    destruct (Nat.eqb_spec (vlength (Vec v)) (size c s)) as [L|_]; [|discriminate].
    apply (aligned_ok _ _ _ (x s)) in A; [|apply (W s)].
    apply (IH _ (fun i => p2 (unit m) * row_value (nth i (rows m) []) (x s) + f i)) in E; auto.
    + intros i Hi. specialize (E i Hi). simpl in E. lra.
    + apply add_ranges_ok; auto. rewrite L. exact Fm.
Qed.

Definition outward (i : dy * dy) : itv := (Some (round_down (fst i)), Some (round_up (snd i))).

Definition clamp (i : itv) : itv :=
  (Some (match fst i with Some l => dmax l dy0 | None => dy0 end),
   match snd i with Some u => Some (dmax u dy0) | None => None end).

Definition image (c : circuit) (S : intervals) (t : nat) : option (list itv) :=
  match def c t with
  | Some (Affine u bias terms) =>
    match add_terms c S terms (List.map (fun b => (Dy b u, Dy b u)) bias) with
    | Some sum => Some (List.map outward sum)
    | None => None
    end
  | Some (Relu s) => Some (List.map clamp (vlist (known S s)))
  | None => None
  end.

Lemma clamp_ok i z : inside i z -> inside (clamp i) (Rmax 0 z).
Proof.
  pose proof (Rmax_l 0 z). pose proof (Rmax_r 0 z). destruct i as [l u]. intros [L U]. split; simpl in *.
  - destruct l; simpl in *; [apply dmax_le; [lra|]|]; rewrite val_dy0; lra.
  - destruct u; simpl in *; auto. pose proof (dmax_l d dy0). pose proof (dmax_r d dy0).
    rewrite val_dy0 in *. apply Rmax_lub; lra.
Qed.

Theorem image_ok c S t r x : solves c x -> fits c -> within S x -> image c S t = Some r ->
  forall i, inside (nth i r whole) (x t i).
Proof.
  intros HS HF W E i. pose proof (HS t) as Ht. unfold image in E. destruct (def c t) as [[u bias terms|s]|] eqn:D; [| |discriminate].
  - destruct (add_terms _ _ _ _) as [sum|] eqn:A; [|discriminate]. injection E as <-.
    apply (add_terms_ok c S terms _ _ x (fun i => IZR (nth i bias 0%Z) * p2 u)) in A; auto.
    + destruct (Nat.lt_ge_cases i (length sum)) as [L|L].
      * specialize (A i L). rewrite (nth_indep _ whole (outward (dy0, dy0))) by (rewrite map_length; exact L).
        rewrite map_nth, Ht. pose proof (round_down_le (fst (nth i sum (dy0, dy0)))).
        pose proof (round_up_ge (snd (nth i sum (dy0, dy0)))). split; simpl; lra.
      * rewrite nth_overflow by (rewrite map_length; exact L). apply inside_whole.
    + eapply HF; eauto.
    + intros j Hj. rewrite map_length in Hj.
      rewrite (nth_indep _ _ ((fun b => (Dy b u, Dy b u)) 0%Z)) by (rewrite map_length; exact Hj).
      rewrite (map_nth (fun b => (Dy b u, Dy b u))). unfold val; simpl. lra.
  - injection E as <-. rewrite Ht. specialize (W s i). unfold vget in W.
    destruct (Nat.lt_ge_cases i (length (vlist (known S s)))) as [L|L].
    + rewrite (nth_indep _ whole (clamp whole)) by (rewrite map_length; exact L). rewrite map_nth. apply clamp_ok; auto.
    + rewrite nth_overflow by (rewrite map_length; exact L). apply inside_whole.
Qed.
