(** * States hold the values of an unsafe point

    An unsafe point is followed through the proof. A state that speaks of it is [alive]; shown here: intervals that are intersected and
    tightened still are ([meet_var_ok], [rebuild_ok], [tighten_ok], [crown_ok]). *)
From Coq Require Import ZArith Reals List Lia Lra Bool.
Import ListNotations.
From Certus Require Import Numbers Statement Blocks Facets Rules Intervals States Checker.
Open Scope R_scope.

Section Alive.
Variable guess : nat -> intervals -> list (Z * Z).
Variable ctx : context.
Notation c := (circ ctx).

(** Values of all tensors for one input that belongs, with its output, to case [kappa]. *)
Variable x : values.
Variable kappa : nat.
Hypothesis equations : solves c x.
Hypothesis fitting : fits c.
Hypothesis boxed : forall i, inside (nth i (List.map (fun '(l, u) => (Some l, Some u)) (box (case_of ctx kappa))) whole) (x O i).
Definition half_space_holds (h : half_space) : Prop :=
  let v := parts_value (List.map (port_term ctx) (terms h)) x in
  if strict h then v < val (right h) else v <= val (right h).
Hypothesis unsafe_here : Forall half_space_holds (half_spaces (case_of ctx kappa)).

(** The state speaks of this point. *)
Definition alive (s : state) : Prop :=
  within (ends s) x /\
  (forall k, inside (vget whole (sum_ends s) k) (parts_value (vget [] (sums ctx) k) x)) /\
  void s = false /\ In kappa (opens s).

Ltac four := split; [|split; [|split]]; cbn [ends sum_ends void opens]; auto.

(** ** Intervals *)

Lemma val_one : val one = 1.
Proof. unfold val, one, p2; simpl. lra. Qed.

Lemma resolve_inside s v l : alive s -> resolve ctx v = Some l -> inside (interval_of ctx s v) (parts_value l x).
Proof.
  intros (W & Q & _) E. destruct v as [i|k i|k]; simpl in *.
  - destruct (Nat.ltb i _); [|discriminate]. injection E as <-. simpl. rewrite val_one, Rmult_1_l, Rplus_0_r. apply W.
  - destruct (block ctx k) as [[t r]|]; [|discriminate]. destruct (Nat.ltb i _); [|discriminate]. injection E as <-.
    simpl. rewrite val_one, Rmult_1_l, Rplus_0_r. apply W.
  - destruct (Nat.ltb k _); [|discriminate]. injection E as <-. apply Q.
Qed.

Lemma within_set S t v : within S x -> (forall i, inside (vget whole v i) (x t i)) -> within (vset S t v) x.
Proof.
  intros W H t'. unfold known.
  apply (vset_get (fun t v => forall i, inside (vget whole v i) (x t i)) (Vec []) S t v); auto.
Qed.

Lemma meet_element_ok s t i new : alive s -> inside new (x t i) -> alive (meet_element ctx s t i new).
Proof.
  intros (W & Q & V & O) H. unfold meet_element. destruct (improves _ _); [|four].
  assert (B : inside (meet (vget whole (known (ends s) t) i) new) (x t i)) by (apply inside_meet; auto; apply W).
  four.
  - apply within_set; auto. apply (vset_get (fun j a => inside a (x t j))); auto.
  - rewrite V, orb_false_l. eapply inside_not_empty; eauto.
Qed.

Lemma meet_var_ok s v l new : alive s -> resolve ctx v = Some l -> inside new (parts_value l x) -> alive (meet_var ctx s v new).
Proof.
  intros A E H. destruct v as [i|k i|k]; simpl in E; unfold meet_var.
  - destruct (Nat.ltb i _); [|discriminate]. injection E as <-. simpl in H. rewrite val_one, Rmult_1_l, Rplus_0_r in H.
    apply meet_element_ok; auto.
  - destruct (block ctx k) as [[t r]|]; [|discriminate]. destruct (Nat.ltb i _); [|discriminate]. injection E as <-.
    simpl in H. rewrite val_one, Rmult_1_l, Rplus_0_r in H. apply meet_element_ok; auto.
  - destruct (Nat.ltb k _); [|discriminate]. injection E as <-. destruct A as (W & Q & V & O).
    assert (B : inside (meet (vget whole (sum_ends s) k) new) (parts_value (vget [] (sums ctx) k) x)) by (apply inside_meet; auto; apply Q).
    four.
    + apply (vset_get (fun k i => inside i (parts_value (vget [] (sums ctx) k) x))); auto.
    + rewrite V, orb_false_l. eapply inside_not_empty; eauto.
Qed.

Lemma meet_lists_ok old new z : (forall i, inside (nth i old whole) (z i)) -> (forall i, inside (nth i new whole) (z i)) ->
  forall i, inside (nth i (meet_lists old new) whole) (z i).
Proof.
  revert new z. induction old as [|o old IH]; intros [|n new] z Ho Hn i; cbn [meet_lists]; try exact (Ho i).
  destruct i; [apply inside_meet; [apply (Ho O)|apply (Hn O)]|].
  apply (IH new (fun i => z (S i))); intros j; [apply (Ho (S j))|apply (Hn (S j))].
Qed.

Lemma none_empty l z : (forall i, inside (nth i l whole) (z i)) -> existsb is_empty l = false.
Proof.
  revert z. induction l as [|a l IH]; intros z H; simpl; auto.
  rewrite (inside_not_empty a (z O)) by apply (H O). apply (IH (fun i => z (S i))). intros i; apply (H (S i)).
Qed.

Lemma meet_tensor_ok s t new : alive s -> (forall i, inside (nth i new whole) (x t i)) -> alive (meet_tensor ctx s t new).
Proof.
  intros (W & Q & V & O) H. unfold meet_tensor. destruct (any_improves _ _); [|four].
  assert (B : forall i, inside (nth i (meet_lists (vlist (known (ends s) t)) new) whole) (x t i)).
  { apply meet_lists_ok; auto. intros i; apply (W t i). }
  four.
  - apply within_set; auto.
  - rewrite V, orb_false_l. eapply none_empty; eauto.
Qed.

Lemma refresh_ok s t : alive s -> alive (refresh ctx s t).
Proof.
  intros A. unfold refresh. destruct (_ && _); auto.
  assert (A' : alive (State (ends s) (sum_ends s) (void s) (vset (stale s) t false) (opens s))) by exact A.
  destruct (image c (ends s) t) as [new|] eqn:E; auto.
  apply meet_tensor_ok; auto. apply (image_ok _ _ _ _ _ equations fitting (proj1 A) E).
Qed.

Lemma rebuild_ok s top : alive s -> alive (rebuild ctx s top).
Proof.
  unfold rebuild. generalize (seq 1 (fold_left (fun n '(t, _) => if Nat.leb t top then Nat.max n t else n) (vlist (blocks ctx)) O)).
  intros l. revert s. induction l as [|t l IH]; intros s A; simpl; auto. apply IH, refresh_ok, A.
Qed.

Lemma prepare_ok s h top : alive s -> alive (prepare ctx s h top).
Proof. intros; apply rebuild_ok; auto. Qed.

(** ** Sweeps on a state *)

Lemma relaxations_ok s h top : alive s -> relaxed c (relaxations guess ctx s h top) x.
Proof.
  intros (W & _) t z D. unfold relaxations, vget. cbn [vlist].
  destruct (Nat.lt_ge_cases t (S top)) as [L|L].
  - rewrite (nth_indep _ _ (relaxation guess ctx s h O)) by (rewrite map_length, seq_length; exact L).
    rewrite map_nth, seq_nth by exact L. unfold relaxation. cbn [Nat.add]. rewrite D.
    apply make_facets_ok. intros i; apply (W z i).
  - rewrite nth_overflow by (rewrite map_length, seq_length; exact L).
    apply no_facets_ok.
Qed.

Lemma lifted_ok s l f : alive s -> lifted ctx s l = Some f -> functional_value f x <= 0.
Proof.
  intros A. revert f. induction l as [|[[sd v] g] l IH]; intros f E; simpl in E.
  - injection E as <-. unfold functional_value; simpl. rewrite val_dy0. lra.
  - destruct (resolve ctx v) as [p|] eqn:R; [|discriminate].
    pose proof (resolve_inside _ _ _ A R) as [HL HU].
    destruct (match sd with Lower => _ | Upper => _ end) as [e|] eqn:I; [|discriminate].
    destruct (lifted ctx s l) as [r|]; [|discriminate]. specialize (IH _ eq_refl).
    destruct (Z.leb_spec 0 (man g)) as [G|_]; [|discriminate].
    assert (P : 0 <= val g) by (unfold val; apply IZR_le in G; pose proof (p2_pos (ex g)); nra).
    unfold functional_value in *.
    destruct sd; injection E as <-; simpl; rewrite I in *; simpl in *;
      rewrite parts_app, scale_terms_value, val_dadd, val_dmul, ?val_dopp; nra.
Qed.

Definition bounded (f : functional) (b : option dy) : Prop :=
  match b with Some d => val d <= functional_value f x | None => True end.

Lemma below_bounded f r box : (forall i, inside (nth i box whole) (x O i)) -> below_functional x f r -> bounded f (bound_on box r).
Proof.
  intros B H. unfold bounded, bound_on. destruct r as [r|]; [|exact I]. destruct (least_on box r) as [d|] eqn:E; [|exact I].
  apply (least_on_ok _ _ _ (x O) B) in E. cbn in H. lra.
Qed.

Lemma swept_bounded s h top most fl box : alive s -> (forall i, inside (nth i box whole) (x O i)) ->
  Forall2 bounded fl (List.map (bound_on box) (sweeps (S (length fl)) most c (relaxations guess ctx s h top) fl)).
Proof.
  intros A B. pose proof (sweeps_ok (S (length fl)) most c _ fl x equations fitting (relaxations_ok s h top A)) as F.
  induction F as [|f r fl rs H F IH]; cbn [List.map]; constructor; auto. eapply below_bounded; eauto.
Qed.

Lemma plus_value l k f : functional_value (plus l k f) x = parts_value l x + val k + functional_value f x.
Proof. unfold plus, functional_value; simpl. rewrite parts_app, val_dadd. lra. Qed.

(** ** Tightening *)

Lemma found_ok sd p lift b : functional_value lift x <= 0 ->
  bounded (plus (scale_terms (match sd with Lower => one | Upper => dopp one end) p) dy0 lift) b ->
  inside (found sd b) (parts_value p x).
Proof.
  intros L B. destruct b as [d|]; [|destruct sd; apply inside_whole].
  unfold bounded in B. rewrite plus_value, val_dy0, scale_terms_value in B.
  destruct sd; split; simpl; auto.
  - rewrite val_one in B. pose proof (round_down_le d). lra.
  - rewrite val_dopp, val_one in B. pose proof (round_up_ge (dopp d)). rewrite val_dopp in *. lra.
Qed.

Lemma meet_found_ok sd lift vs ps bs s :
  functional_value lift x <= 0 -> alive s -> resolve_all ctx vs = Some ps ->
  Forall2 bounded (List.map (fun p => plus (scale_terms (match sd with Lower => one | Upper => dopp one end) p) dy0 lift) ps) bs ->
  alive (meet_found ctx sd vs bs s).
Proof.
  intros L. revert ps bs s. induction vs as [|v vs IH]; intros ps bs s A E F; simpl in *; auto.
  destruct (resolve ctx v) as [p|] eqn:R; [|discriminate]. destruct (resolve_all ctx vs) as [r|]; [|discriminate].
  injection E as <-. simpl in F. inversion F as [|? b ? bs' B Bs]; subst. clear F.
  apply (IH r); auto. eapply meet_var_ok; eauto. eapply found_ok; eauto.
Qed.

Lemma tighten_side_ok s vs sd h s' : alive s -> tighten_side guess ctx s vs sd h = Some s' -> alive s'.
Proof.
  intros A E. unfold tighten_side in E.
  destruct (resolve_all ctx vs) as [ps|] eqn:R; [|discriminate].
  destruct (lifted ctx s (lifts h)) as [lift|] eqn:L; [|discriminate]. injection E as <-.
  pose proof (lifted_ok _ _ _ A L) as HL.
  eapply meet_found_ok; eauto. apply swept_bounded; auto. intros i; apply (proj1 A O i).
Qed.

Lemma tighten_one_ok t h s sd s' : (forall s0, s = Some s0 -> alive s0) -> tighten_one guess ctx t h s sd = Some s' -> alive s'.
Proof.
  intros A E. unfold tighten_one in E. destruct s as [s|]; [|discriminate].
  specialize (A s eq_refl). apply (prepare_ok s h (target_top ctx t)) in A.
  destruct (void _); [injection E as <-; auto|]. destruct (target_vars _ _ _) as [|v vs]; [injection E as <-; auto|].
  eapply tighten_side_ok; eauto.
Qed.

Lemma tighten_ok s t w h s' : alive s -> tighten guess ctx s t w h = Some s' -> alive s'.
Proof.
  intros A E. unfold tighten in E. destruct (_ && _); [|discriminate]. destruct w.
  - eapply tighten_one_ok; [|exact E]. intros ? [= <-]; auto.
  - eapply tighten_one_ok; [|exact E]. intros s1 E1. eapply tighten_one_ok; [|exact E1]. intros ? [= <-]; auto.
Qed.

Lemma crown_ok s r h s' : alive s -> crown guess ctx s r h = Some s' -> alive s'.
Proof.
  intros A E. unfold crown in E. destruct (match r with Some r => r | None => _ end) as [a b].
  destruct (_ && _); [|discriminate].
  assert (K : forall l o, (forall s0, o = Some s0 -> alive s0) -> fold_left (crown_block guess ctx h) l o = Some s' -> alive s').
  { induction l as [|k l IH]; intros o Ho Eo; simpl in Eo; auto.
    eapply IH; [|exact Eo]. intros s1 E1. unfold crown_block in E1. destruct o as [s0|]; [|discriminate].
    destruct (block ctx k) as [[t ?]|]; [|discriminate]. destruct (is_first _ _ _ _).
    - injection E1 as <-. auto.
    - eapply tighten_ok; [|exact E1]; auto. }
  eapply K; [|exact E]. intros ? [= <-]. apply prepare_ok; auto.
Qed.

End Alive.
