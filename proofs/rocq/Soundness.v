(** * The theorem: what is accepted is never unsafe

    An unsafe point is followed through the proof: at the root of a section that names its case it is [alive], every line
    that is accepted keeps it alive in one of the states that it leads to, and a leaf that holds has none. So there is none. *)
From Coq Require Import ZArith Reals List Lia Lra Bool.
Import ListNotations.
From Certus Require Import Numbers Statement Blocks Facets Rules Intervals States Checker Alive Network.
Open Scope R_scope.

Lemma forallb_filter_in {A} (f : A -> bool) l a : In a l -> f a = true -> In a (filter f l).
Proof. intros. apply filter_In; auto. Qed.

Section Tree.
Variable guess : nat -> intervals -> list (Z * Z).
Variable ctx : context.
Notation c := (circ ctx).

(** Values of all tensors for one input that belongs, with its output, to case [kappa]. *)
Variable x : values.
Variable kappa : nat.
Hypothesis equations : solves c x.
Hypothesis fitting : fits c.
Hypothesis boxed : forall i, inside (nth i (List.map (fun '(l, u) => (Some l, Some u)) (box (case_of ctx kappa))) whole) (x O i).
Hypothesis unsafe_here : Forall (half_space_holds ctx x) (half_spaces (case_of ctx kappa)).

Local Notation half_space_holds := (half_space_holds ctx x).
Local Notation alive := (alive ctx x kappa).
Local Notation bounded := (bounded x).
Let rebuild_here := rebuild_ok ctx x kappa equations fitting.
Let prepare_here := prepare_ok ctx x kappa equations fitting.
Let crown_here := crown_ok guess ctx x kappa equations fitting.
Let tighten_here := tighten_ok guess ctx x kappa equations fitting.

(** ** Refuting *)

Lemma meet_box_ok l b z : (forall i, inside (nth i l whole) (z i)) ->
  (forall i, inside (nth i (List.map (fun '(l, u) => (Some l, Some u)) b) whole) (z i)) ->
  forall i, inside (nth i (meet_box l b) whole) (z i).
Proof.
  revert b z. induction l as [|a l IH]; intros [|[lo hi] b] z Hl Hb i; cbn [meet_box]; try exact (Hl i).
  destruct i; [apply inside_meet; [apply (Hl O)|apply (Hb O)]|].
  apply (IH b (fun i => z (S i))); intros j; [apply (Hl (S j))|apply (Hb (S j))].
Qed.

(** The point is in the slab. *)
Definition in_slab (sl : option slab) : Prop :=
  match sl with Some (sd, i, place) => inside (slab_itv sd place) (x O i) | None => True end.

Lemma region_ok s sl : alive s -> in_slab sl -> forall i, inside (nth i (region ctx s kappa sl) whole) (x O i).
Proof.
  intros (W & _) HS. unfold region.
  assert (B : forall i, inside (nth i (meet_box (vlist (known (ends s) 0)) (box (case_of ctx kappa))) whole) (x O i)).
  { apply meet_box_ok; auto. intros i; apply (W O i). }
  destruct sl as [[[sd i] place]|]; auto.
  apply (replace_nth (fun j a => inside a (x O j))); auto. apply inside_meet; auto.
Qed.

Lemma weighted_ok ws f : weighted ctx (case_of ctx kappa) ws = Some f ->
  functional_value f x <= 0 /\ (has_strict (case_of ctx kappa) ws = true -> functional_value f x < 0).
Proof.
  revert f. induction ws as [|[h w] ws IH]; intros f E; simpl in E.
  - injection E as <-. unfold functional_value; simpl. rewrite val_dy0. split; [lra|discriminate].
  - destruct (nth_error _ h) as [hs|] eqn:N; [|discriminate].
    destruct (weighted _ _ ws) as [r|]; [|discriminate]. destruct (IH _ eq_refl) as [H1 H2].
    destruct (Z.leb_spec 0 (man w)) as [G|_]; [|discriminate]. injection E as <-.
    pose proof unsafe_here as U. rewrite Forall_forall in U. specialize (U hs (nth_error_In _ _ N)).
    pose proof (p2_pos (ex w)) as P.
    assert (W : 0 <= val w) by (unfold val; apply IZR_le in G; nra).
    unfold functional_value in *; simpl. rewrite parts_app, scale_terms_value, val_dadd, val_dmul, val_dopp.
    unfold half_space_holds in U. unfold has_strict; simpl; rewrite N; fold (has_strict (case_of ctx kappa) ws).
    set (v := parts_value (List.map (port_term ctx) (terms hs)) x) in *.
    assert (V : v <= val (right hs)) by (destruct (strict hs); lra).
    split; [nra|]. intros S. apply orb_prop in S as [S|S].
    + apply andb_prop in S as [S1 S2]. rewrite S2 in U. apply Z.ltb_lt, IZR_lt in S1.
      assert (0 < val w) by (unfold val; nra). nra.
    + specialize (H2 S). nra.
Qed.

Lemma functionals_succeed lift l fs bs :
  functional_value lift x <= 0 -> functionals_of ctx (case_of ctx kappa) lift l = Some fs ->
  Forall2 bounded fs bs -> succeeds (case_of ctx kappa) l bs = true -> False.
Proof.
  intros L. revert fs bs. induction l as [|ws l IH]; intros fs bs E F S; simpl in *; [discriminate|].
  destruct (weighted _ _ ws) as [f|] eqn:W; [|discriminate]. destruct (functionals_of _ _ _ l) as [r|]; [|discriminate].
  injection E as <-. inversion F as [|? b ? bs' B Bs]; subst. destruct (weighted_ok _ _ W) as [H1 H2].
  apply orb_prop in S as [S|S]; [|eauto].
  destruct b as [d|]; [|discriminate]. unfold bounded in B. rewrite plus_value in B. unfold functional_value in H1, H2.
  pose proof (p2_pos (ex d)) as P. apply orb_prop in S as [S|S].
  - apply Z.ltb_lt, IZR_lt in S. assert (0 < val d) by (unfold val; nra). lra.
  - apply andb_prop in S as [S1 S2]. apply Z.eqb_eq in S1. specialize (H2 S2).
    assert (val d = 0) by (unfold val; rewrite S1; lra). lra.
Qed.

Lemma Forall2_same_length {A B} (P : A -> B -> Prop) l m : Forall2 P l m -> length l = length m.
Proof. intros F. induction F; cbn; auto. Qed.

Lemma regroup_ok {A B} (P : A -> B -> Prop) gs l : Forall2 P (concat gs) l -> Forall2 (Forall2 P) gs (regroup gs l).
Proof.
  revert l. induction gs as [|g gs IH]; intros l F; cbn [concat regroup] in *; constructor.
  - apply Forall2_app_inv_l in F as (l1 & l2 & F1 & _ & ->). rewrite (Forall2_same_length _ _ _ F1), firstn_app, Nat.sub_diag, firstn_all, app_nil_r. exact F1.
  - apply IH. apply Forall2_app_inv_l in F as (l1 & l2 & F1 & F2 & ->). rewrite (Forall2_same_length _ _ _ F1), skipn_app, Nat.sub_diag, skipn_all. exact F2.
Qed.

Lemma groups_ok P (f : nat -> list (option linear) -> bool) lift h ks gs rs :
  all_functionals ctx lift h ks = Some gs -> Forall2 (Forall2 P) gs rs -> all2 f ks rs = true -> In kappa ks ->
  exists g r, functionals_of ctx (case_of ctx kappa) lift (ways h (case_of ctx kappa)) = Some g /\ Forall2 P g r /\ f kappa r = true.
Proof.
  revert gs rs. induction ks as [|k ks IH]; intros gs rs E F A I; [inversion I|]. cbn [all_functionals] in E.
  destruct (functionals_of ctx (case_of ctx k) lift (ways h (case_of ctx k))) as [g|] eqn:G; [|discriminate].
  destruct (all_functionals _ _ _ ks) as [gs'|]; [|discriminate].
  injection E as <-. inversion F as [|? r ? rs' R F']; subst. cbn [all2] in A. apply andb_prop in A as [A1 A2].
  destruct I as [->|I]; eauto.
Qed.

Lemma prove_ok s h ks sls sl : alive s -> prove guess ctx s h ks sls = true -> In kappa ks -> In sl sls -> in_slab sl -> False.
Proof.
  intros A P I J Sl. unfold prove in P. pose proof (region_ok s sl A Sl) as B.
  assert (N : no_input ctx s kappa sl = false) by (eapply none_empty; eauto).
  apply orb_prop in P as [P|P]; [destruct A as (_ & _ & V & _); congruence|].
  set (needed := filter _ ks) in P.
  assert (I' : In kappa needed).
  { apply filter_In. split; auto. destruct (forallb _ _) eqn:F; auto. rewrite forallb_forall in F. specialize (F sl J). congruence. }
  destruct (lifted ctx s (lifts h)) as [lift|] eqn:L; [|discriminate].
  destruct (all_functionals ctx lift h needed) as [groups|] eqn:G; [|discriminate].
  pose proof (sweeps_ok (S (length (concat groups))) 24 c _ (concat groups) x equations fitting (relaxations_ok guess ctx x kappa s h (vlength (defs c)) A)) as F.
  apply regroup_ok in F. destruct (groups_ok _ _ _ _ _ _ _ G F P I') as (g & r & Fg & Fr & R).
  unfold refuted_by in R. rewrite forallb_forall in R. specialize (R sl J). rewrite N in R. cbn [orb] in R.
  apply (functionals_succeed lift _ g _ (lifted_ok _ _ _ _ _ _ A L) Fg) in R; auto.
  clear -Fr B. induction Fr as [|f a fs rs H Fr IH]; cbn [List.map]; constructor; auto. eapply below_bounded; eauto.
Qed.

Lemma refute_ok s l h s' : alive s -> refute guess ctx s l h = Some s' -> alive s'.
Proof.
  intros A E. unfold refute in E. destruct (_ && _); [|discriminate].
  apply (prepare_here s h (all_tensors ctx)) in A. set (p := prepare ctx s h (all_tensors ctx)) in *.
  destruct (prove _ _ _ _ _) eqn:P; [|discriminate]. injection E as <-.
  destruct A as (W & Q & V & O). split; [|split; [|split]]; simpl; auto.
  set (chosen := fun n => match l with Some l => in_set l n | None => true end) in *.
  apply forallb_filter_in; auto. change (negb (chosen kappa) = true). destruct (chosen kappa) eqn:C; auto. exfalso.
  apply (prove_ok p h _ _ None) with (2 := P); auto.
  - split; [|split; [|split]]; auto.
  - apply forallb_filter_in; auto.
  - left; reflexivity.
  - exact I.
Qed.

(** What is refuted in a slab is on its other side. *)
Lemma slab_refuted sd i place : ~ in_slab (Some (sd, i, place)) ->
  inside (match sd with Lower => (None, Some place) | Upper => (Some place, None) end) (x O i).
Proof.
  unfold in_slab, slab_itv, inside. destruct sd; simpl; intros N.
  - split; auto. destruct (Rle_dec (val place) (x O i)); [exfalso; auto|lra].
  - split; auto. destruct (Rle_dec (x O i) (val place)); [exfalso; auto|lra].
Qed.

Lemma clip_ok s slabs h s' : alive s -> clip guess ctx s slabs h = Some s' -> alive s'.
Proof.
  intros A E. unfold clip in E. destruct (_ && _); [|discriminate].
  apply (prepare_here s h (all_tensors ctx)) in A. set (p := prepare ctx s h (all_tensors ctx)) in *.
  destruct (prove _ _ _ _ _) eqn:P; [|discriminate]. injection E as <-.
  assert (K : forall sl, In sl slabs -> ~ in_slab (Some sl)).
  { intros sl I S. apply (prove_ok p h _ _ (Some sl) A P); auto; [apply A|apply in_map; exact I]. }
  clear P. revert K. generalize dependent p. induction slabs as [|sl slabs IH]; intros p A K; simpl; auto.
  apply IH.
  - destruct sl as [[sd i] place]. pose proof (slab_refuted sd i place (K _ (or_introl eq_refl))) as H.
    unfold cut. destruct sd; apply meet_element_ok; auto.
  - intros sl' I. apply K. right; auto.
Qed.

(** ** Trees *)

Lemma with_opens_ok s l : alive s -> In kappa l -> alive (with_opens s l).
Proof. intros (W & Q & V & _) I. split; [|split; [|split]]; auto. Qed.

Theorem step_ok s l next : alive s -> step guess ctx s l = Some next -> Exists alive next.
Proof.
  intros A E. destruct l as [r h|t w h|k h|sl h|v place|k|]; simpl in E.
  - destruct (crown _ _ _ _ _) as [s'|] eqn:C; [|discriminate]. injection E as <-. constructor. eapply crown_here; eauto.
  - destruct (tighten _ _ _ _ _ _) as [s'|] eqn:C; [|discriminate]. injection E as <-. constructor. eapply tighten_here; eauto.
  - destruct (refute _ _ _ _ _) as [s'|] eqn:C; [|discriminate]. injection E as <-. constructor. eapply refute_ok; eauto.
  - destruct (clip _ _ _ _ _) as [s'|] eqn:C; [|discriminate]. injection E as <-. constructor. eapply clip_ok; eauto.
  - destruct (resolve ctx v) as [p|] eqn:R; [|discriminate]. simpl in E. injection E as <-.
    destruct (Rle_dec (parts_value p x) (val place)) as [L|L].
    + apply Exists_cons_hd. eapply meet_var_ok; eauto. split; simpl; auto.
    + apply Exists_cons_tl, Exists_cons_hd. eapply meet_var_ok; eauto. split; simpl; auto. lra.
  - destruct (cases_exist ctx k); [|discriminate]. injection E as <-. pose proof A as (_ & _ & _ & O).
    destruct (in_set k kappa) eqn:I.
    + apply Exists_cons_hd, with_opens_ok; auto. apply forallb_filter_in; auto.
    + apply Exists_cons_tl, Exists_cons_hd, with_opens_ok; auto. apply forallb_filter_in; auto. rewrite I; auto.
  - exfalso. destruct (opens s) as [|o os] eqn:O; [destruct A as (_ & _ & _ & I); rewrite O in I; exact I|].
    clear O. apply (rebuild_here s (all_tensors ctx)) in A. set (p := rebuild ctx s (all_tensors ctx)) in *.
    destruct (_ || _) eqn:B; [|discriminate]. apply orb_prop in B as [B|B].
    + destruct A as (_ & _ & V & _). congruence.
    + rewrite forallb_forall in B. specialize (B kappa (proj2 (proj2 (proj2 A)))).
      rewrite (none_empty _ (x O)) in B; [discriminate|]. apply (region_ok p None A I).
Qed.

Theorem walk_ok lines waiting : walk guess ctx lines waiting = true -> Exists alive waiting -> False.
Proof.
  revert waiting. induction lines as [|l lines IH]; intros [|s waiting] H A; simpl in H; try discriminate.
  - inversion A.
  - destruct (step guess ctx s l) as [next|] eqn:E; [|discriminate].
    apply (IH _ H). apply Exists_app. inversion A; subst; auto. left. eapply step_ok; eauto.
Qed.

(** ** Roots *)

Definition box_holds (b : list (dy * dy)) : Prop :=
  forall i, inside (nth i (List.map (fun '(l, u) => (Some l, Some u)) b) whole) (x O i).

Lemma box_not_empty b z : (forall i, inside (nth i (List.map (fun '(l, u) => (Some l, Some u)) b) whole) (z i)) -> box_empty b = false.
Proof.
  revert z. induction b as [|[l u] b IH]; intros z H; simpl; auto.
  rewrite (IH (fun i => z (S i))) by (intros i; apply (H (S i))).
  destruct (H O) as [L U]; simpl in *. destruct (dleb_spec l u); simpl; auto. lra.
Qed.

Lemma dmin_le_l a b : val (dmin a b) <= val a.
Proof. unfold dmin. destruct (dleb_spec a b); lra. Qed.
Lemma dmin_le_r a b : val (dmin a b) <= val b.
Proof. unfold dmin. destruct (dleb_spec a b); lra. Qed.

Lemma hull_left a b z : (forall i, inside (nth i (List.map (fun '(l, u) => (Some l, Some u)) a) whole) (z i)) ->
  forall i, inside (nth i (List.map (fun '(l, u) => (Some l, Some u)) (hull_box a b)) whole) (z i).
Proof.
  revert b z. induction a as [|[l u] a IH]; intros [|[l' u'] b] z H i; cbn [hull_box]; try exact (H i).
  destruct i; [|apply (IH b (fun i => z (S i))); intros j; apply (H (S j))].
  destruct (H O) as [L U]; simpl in *. split; simpl; [pose proof (dmin_le_l l l')|pose proof (dmax_l u u')]; lra.
Qed.

Lemma hull_right a b z : length a = length b ->
  (forall i, inside (nth i (List.map (fun '(l, u) => (Some l, Some u)) b) whole) (z i)) ->
  forall i, inside (nth i (List.map (fun '(l, u) => (Some l, Some u)) (hull_box a b)) whole) (z i).
Proof.
  revert b z. induction a as [|[l u] a IH]; intros [|[l' u'] b] z E H i; cbn [hull_box]; try discriminate; try exact (H i). simpl in E.
  destruct i; [|apply (IH b (fun i => z (S i))); [lia|intros j; apply (H (S j))]].
  destruct (H O) as [L U]; simpl in *. split; simpl; [pose proof (dmin_le_r l l')|pose proof (dmax_r u u')]; lra.
Qed.

Lemma hull_length a b : length (hull_box a b) = length a.
Proof. revert b; induction a as [|[l u] a IH]; intros [|[l' u'] b]; simpl; auto. Qed.

(** All boxes are of one size. *)
Variable width : nat.
Hypothesis widths : forall n, (n < vlength (cases ctx))%nat -> length (box (case_of ctx n)) = width.

Definition hull_from (k : option (list (dy * dy))) (l : list nat) := fold_left (fun k n => hull_step k (box (case_of ctx n))) l k.

Lemma hull_keeps l k b : (forall n, In n l -> (n < vlength (cases ctx))%nat) -> length b = width -> box_holds b -> k = Some b ->
  exists b', hull_from k l = Some b' /\ box_holds b'.
Proof.
  revert k b. induction l as [|n l IH]; intros k b R L H ->; simpl; eauto.
  unfold hull_from in *; simpl. unfold hull_step at 2. destruct (box_empty _).
  - eapply IH; eauto. intros m I; apply R; right; auto.
  - apply (IH _ (hull_box b (box (case_of ctx n)))); auto.
    + intros m I; apply R; right; auto.
    + rewrite hull_length; auto.
    + unfold box_holds. apply hull_left; auto.
Qed.

Lemma hull_ok l k : (forall n, In n l -> (n < vlength (cases ctx))%nat) -> In kappa l ->
  (forall b, k = Some b -> length b = width) -> exists b, hull_from k l = Some b /\ box_holds b.
Proof.
  revert k. induction l as [|n l IH]; intros k R I K; [inversion I|].
  assert (R' : forall m, In m l -> (m < vlength (cases ctx))%nat) by (intros m J; apply R; right; auto).
  destruct (Nat.eq_dec n kappa) as [->|N].
  - unfold hull_from; simpl. unfold hull_step at 2. rewrite (box_not_empty _ (x O)) by exact boxed.
    assert (W := widths kappa (R _ (or_introl eq_refl))).
    destruct k as [a|].
    + apply (hull_keeps l _ (hull_box a (box (case_of ctx kappa)))); auto.
      * rewrite hull_length; auto.
      * unfold box_holds. apply hull_right; [rewrite (K a), W; auto|exact boxed].
    + eapply hull_keeps; eauto.
  - destruct I as [->|I]; [congruence|]. unfold hull_from; simpl. apply IH; auto.
    intros b E. unfold hull_step in E. destruct (box_empty _); [auto|]. destruct k as [a|]; injection E as <-.
    + rewrite hull_length; auto.
    + apply widths, R. left; auto.
Qed.

Lemma root_alive l : (forall n, In n l -> (n < vlength (cases ctx))%nat) -> In kappa l -> alive (root ctx l).
Proof.
  intros R I. unfold root. destruct (hull_ok l None R I) as (b & E & B); [discriminate|].
  change (hull ctx l) with (hull_from None l). rewrite E. split; [|split; [|split]]; simpl; auto.
  - intros [|t] i; unfold known, vget at 2; simpl.
    + apply B.
    + set (f := fun n => vmake n whole). destruct (Nat.lt_ge_cases t (length (tl (vlist (sizes c))))) as [L|L].
      * rewrite (nth_indep _ (Vec []) (f O)) by (rewrite map_length; exact L). rewrite map_nth. unfold f.
        rewrite vmake_get. apply inside_whole.
      * rewrite nth_overflow by (rewrite map_length; exact L). destruct i; apply inside_whole.
  - intros k. rewrite vmake_get. apply inside_whole.
Qed.

Lemma in_members l n : in_set l n = true -> In n (members l).
Proof.
  unfold in_set, members. intros H. apply existsb_exists in H as ([a b] & I & H). apply in_flat_map. exists (a, b). split; auto.
  apply andb_prop in H as [H1 H2]. apply Nat.leb_le in H1. apply Nat.ltb_lt in H2. apply in_seq. lia.
Qed.

Lemma fold_max_le (s : set) m : (m <= fold_left (fun n '(_, b) => Nat.max n b) s m)%nat.
Proof. revert m; induction s as [|[a b] s IH]; intros m; simpl; auto. specialize (IH (Nat.max m b)). lia. Qed.

Lemma end_of_in (s : set) m a b : In (a, b) s -> (b <= fold_left (fun n '(_, b) => Nat.max n b) s m)%nat.
Proof.
  revert m. induction s as [|[a' b'] s IH]; intros m I; [inversion I|]. simpl. destruct I as [[= -> ->]|I]; auto.
  pose proof (fold_max_le s (Nat.max m b)). lia.
Qed.

Theorem tree_ok l lines : tree_holds guess ctx l lines = true -> in_set l kappa = true -> False.
Proof.
  intros H I. unfold tree_holds in H. apply andb_prop in H as [C W]. unfold cases_exist in C. apply Nat.leb_le in C.
  apply (walk_ok _ _ W). constructor. apply root_alive; [|apply in_members; auto].
  intros n M. unfold members in M. apply in_flat_map in M as ([a b] & J & M). apply in_seq in M.
  pose proof (end_of_in l O a b J). unfold end_of in C. lia.
Qed.

End Tree.
(** ** The theorem *)

Lemma left_value_parts ctx net input l : out ctx = output net ->
  left_value l input (eval net input) = parts_value (List.map (port_term ctx) l) (value_of net input).
Proof.
  intros O. induction l as [|[p d] l IH]; simpl; auto.
  assert (I : at_ input = value_of net input 0%nat).
  { unfold value_of, all_values. rewrite (tensors_prefix (nodes net) [input]) by (simpl; lia). reflexivity. }
  destruct p as [i|j]; simpl; rewrite IH.
  - rewrite <- I. reflexivity.
  - rewrite O. reflexivity.
Qed.

Lemma in_box_inside (input : tensor) b : in_box input b -> forall i,
  inside (nth i (List.map (fun '(l, u) => (Some l, Some u)) b) whole) (at_ input i).
Proof.
  intros H. induction H as [|v [l u] input b Hv _ IH]; intros i; simpl.
  - destruct i; apply inside_whole.
  - destruct i as [|i]; simpl; [cbn in Hv; split; cbn; lra|apply IH].
Qed.

Theorem check_sound guess net st proof :
  check guess net st proof = true -> forall x, ~ unsafe st x (eval net x).
Proof.
  intros H x (k & K & B & U). unfold check in H.
  apply andb_prop in H as [H Covered]. apply andb_prop in H as [H Sections]. apply andb_prop in H as [Fit Boxes].
  apply In_nth with (d := no_case) in K as (kappa & L & E).
  rewrite forallb_forall in Covered. specialize (Covered kappa (proj2 (in_seq _ _ _) (conj (Nat.le_0_l _) L))).
  apply existsb_exists in Covered as (s & S & C).
  rewrite forallb_forall in Sections. specialize (Sections s S). unfold section_holds in Sections.
  destruct (all_sums _ _) as [sums|]; [|discriminate].
  set (ctx := with_sums (context_of net st) sums) in *.
  assert (W : forall n, (n < vlength (cases ctx))%nat -> length (box (case_of ctx n)) = inputs net).
  { intros n Hn. rewrite forallb_forall in Boxes. apply Nat.eqb_eq, Boxes. unfold case_of, vget. apply nth_In. exact Hn. }
  assert (case_of ctx kappa = k) as Ek by exact E.
  eapply (tree_ok guess ctx (value_of net x) kappa); [..|exact Sections|exact C].
  - apply (network_solves net x Fit).
  - apply (network_fitting net Fit).
  - intros i. rewrite Ek. unfold value_of, all_values. rewrite (tensors_prefix (nodes net) [x]) by (simpl; lia). apply in_box_inside; auto.
  - rewrite Ek. eapply Forall_impl; [|exact U]. intros h Hh. unfold half_space_holds.
    unfold satisfied in Hh. rewrite <- (left_value_parts ctx net x) by reflexivity. exact Hh.
  - exact W.
Qed.

