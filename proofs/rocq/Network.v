(** * The network's values solve its equations

    Shown here: what the checker makes ready of a network that fits ([network_fits]) is this network ([network_solves], [network_fitting]). *)
From Coq Require Import ZArith Reals List Lia Lra Bool.
Import ListNotations.
From Certus Require Import Numbers Statement Blocks Facets Rules Intervals States Checker.
Open Scope R_scope.

Section Network.
Variable net : network.
Variable input : tensor.
Notation c := (circuit_of net).

Definition all_values : list tensor := tensors [input] (nodes net).
Definition value_of : values := fun t i => at_ (nth t all_values []) i.

Lemma tensors_prefix ns before t : (t < length before)%nat -> nth t (tensors before ns) [] = nth t before [].
Proof.
  revert before. induction ns as [|n ns IH]; intros before H; simpl; auto.
  rewrite IH by (rewrite app_length; simpl; lia). apply app_nth1; auto.
Qed.

Lemma tensors_nth ns before t n : nth_error ns t = Some n ->
  nth (length before + t) (tensors before ns) [] =
  node_value (tensors before (firstn t ns)) n.
Proof.
  revert before t. induction ns as [|m ns IH]; intros before t E; [destruct t; discriminate|].
  destruct t as [|t]; simpl in *.
  - injection E as ->. rewrite tensors_prefix by (rewrite app_length; simpl; lia).
    rewrite app_nth2, Nat.add_0_r, Nat.sub_diag by lia. reflexivity.
  - specialize (IH (before ++ [node_value before m]) t E). rewrite <- IH. f_equal. rewrite app_length; simpl; lia.
Qed.

Lemma tensors_app ns ms before : tensors before (ns ++ ms) = tensors (tensors before ns) ms.
Proof. revert before; induction ns; intros; simpl; auto. Qed.

Lemma tensors_length ns before : length (tensors before ns) = (length before + length ns)%nat.
Proof. revert before; induction ns as [|n ns IH]; intros; simpl; [lia|]. rewrite IH, app_length; simpl; lia. Qed.

(** Earlier tensors are the same, whether they are seen from a node or from the end. *)
Lemma tensors_first ns before t s : (s < length before + t)%nat -> (t <= length ns)%nat ->
  nth s (tensors before (firstn t ns)) [] = nth s (tensors before ns) [].
Proof.
  intros H L. transitivity (nth s (tensors before (firstn t ns ++ skipn t ns)) []).
  - rewrite tensors_app. symmetry. apply tensors_prefix. rewrite tensors_length, firstn_length. lia.
  - rewrite firstn_skipn. reflexivity.
Qed.

Lemma nodes_fit_nth cc k ns t n : nodes_fit cc k ns = true -> nth_error ns t = Some n -> node_fits cc (k + t) n = true.
Proof.
  revert k t. induction ns as [|m ns IH]; intros k t H E; [destruct t; discriminate|].
  simpl in H. apply andb_prop in H as [H1 H2]. destruct t as [|t]; simpl in E.
  - injection E as ->. rewrite Nat.add_0_r. auto.
  - rewrite Nat.add_succ_r. apply (IH (S k) t); auto.
Qed.

Lemma def_nth t n : def c t = Some n -> exists t', t = S t' /\ nth_error (nodes net) t' = Some n.
Proof.
  unfold def, vget; simpl. destruct t as [|t]; [discriminate|]. intros E. exists t; split; auto.
  rewrite nth_error_nth' with (d := n).
  - f_equal. rewrite (nth_indep _ None (Some n)) in E; [rewrite map_nth in E; congruence|].
    rewrite map_length. destruct (Nat.lt_ge_cases t (length (nodes net))); auto.
    rewrite nth_overflow in E by (rewrite map_length; auto). discriminate.
  - destruct (Nat.lt_ge_cases t (length (nodes net))); auto.
    rewrite nth_overflow in E by (rewrite map_length; auto). discriminate.
Qed.

Hypothesis fit : network_fits net = true.

Lemma def_fits t n : def c t = Some n -> node_fits c t n = true.
Proof.
  intros E. destruct (def_nth t n E) as (t' & -> & N). apply andb_prop in fit as [F _].
  apply (nodes_fit_nth _ 1 _ _ _ F N).
Qed.

Theorem network_fitting : fits c.
Proof.
  intros t u bias terms E. pose proof (def_fits _ _ E) as F. simpl in F. rewrite forallb_forall in F. split.
  - apply forallb_forall. intros sm I. specialize (F sm I). apply andb_prop in F as [F _]. apply andb_prop in F as [_ F]. exact F.
  - destruct (def_nth _ _ E) as (t' & -> & N). unfold circuit_of, vget; cbn [norms vlist nth].
    assert (L : (t' < length (nodes net))%nat) by (apply nth_error_Some; congruence).
    rewrite (nth_indep _ [] (node_norms (Relu O))) by (rewrite map_length; exact L). rewrite map_nth.
    rewrite (nth_error_nth _ _ _ N). reflexivity.
Qed.

Lemma terms_value_ext terms i y z : (forall s m, In (s, m) terms -> forall j, y s j = z s j) -> terms_value terms i y = terms_value terms i z.
Proof.
  induction terms as [|[s m] terms IH]; intros H; simpl; auto. rewrite IH by (intros; eapply H; right; eauto).
  do 2 f_equal. specialize (H s m (or_introl eq_refl)). induction (nth i (rows m) []) as [|[j w] r IHr]; simpl; auto.
  rewrite H, IHr. reflexivity.
Qed.

Lemma terms_value_past terms i y : (forall s m, In (s, m) terms -> (length (rows m) <= i)%nat) -> terms_value terms i y = 0.
Proof.
  induction terms as [|[s m] terms IH]; intros H; simpl; auto. rewrite IH by (intros; eapply H; right; eauto).
  rewrite nth_overflow by (eapply H; left; eauto). simpl. lra.
Qed.

Theorem network_solves : solves c value_of.
Proof.
  intros t. destruct (def c t) as [n|] eqn:D; auto. pose proof (def_fits _ _ D) as F.
  destruct (def_nth t n D) as (t' & -> & N).
  assert (L : (t' < length (nodes net))%nat) by (apply nth_error_Some; congruence).
  pose proof (tensors_nth _ [input] _ _ N) as V. simpl length in V. replace (1 + t')%nat with (S t') in V by lia.
  assert (E : forall s j, (s < S t')%nat -> at_ (nth s (tensors [input] (firstn t' (nodes net))) []) j = value_of s j).
  { intros s j H. unfold value_of, all_values. rewrite (tensors_first (nodes net) [input]); auto; simpl; lia. }
  destruct n as [u bias terms|s]; intros i; unfold value_of at 1, all_values; rewrite V; unfold at_ at 1; simpl node_value.
  - simpl in F. rewrite forallb_forall in F.
    set (before := tensors [input] (firstn t' (nodes net))) in *.
    set (f := fun i => IZR (nth i bias 0%Z) * p2 u + terms_value terms i (fun s j => at_ (nth s before []) j)).
    destruct (Nat.lt_ge_cases i (length bias)) as [I|I].
    + rewrite (nth_indep _ 0 (f O)) by (rewrite map_length, seq_length; exact I).
      rewrite map_nth, seq_nth by exact I. unfold f; simpl. f_equal. apply terms_value_ext.
      intros s m J j. apply E. specialize (F _ J). apply andb_prop in F as [F _]. apply andb_prop in F as [F _].
      apply Nat.ltb_lt in F. exact F.
    + rewrite (nth_overflow (List.map _ _)) by (rewrite map_length, seq_length; exact I).
      rewrite nth_overflow by exact I. rewrite terms_value_past; [lra|].
      intros s m J. specialize (F _ J). apply andb_prop in F as [_ F]. apply Nat.leb_le in F. simpl in F. lia.
  - simpl in F. apply Nat.ltb_lt in F. rewrite <- (E s i F). unfold at_.
    rewrite <- (map_nth (Rmax 0)). rewrite Rmax_left by lra. reflexivity.
Qed.

End Network.
