(** * The one rule: lower bounds of linear functionals

    Shown here, for values x of all tensors that satisfy the network's equations ([solves]) and lie in given intervals
    ([within]): interval arithmetic holds them ([image_ok]), a ReLU's relaxation is one ([facets_ok]), and a sweep is a lower
    bound of its functional ([sweep_ok]). *)
From Coq Require Import ZArith Reals List Lia Lra Bool.
Import ListNotations.
From Certus Require Import Numbers Statement.
Open Scope R_scope.

(** Values of all elements of all tensors. *)
Definition values : Type := nat -> nat -> R.

(** ** The network, made ready: what tensor t is (nothing for the input), and its size *)

Record circuit := Circuit { defs : vec (option node); sizes : vec nat }.

Definition def (c : circuit) (t : nat) : option node := vget None (defs c) t.
Definition size (c : circuit) (t : nat) : nat := vget O (sizes c) t.

(** x satisfies the equations. *)
Definition solves (c : circuit) (x : values) : Prop := forall t,
  match def c t with
  | Some (Affine u bias terms) => forall i, x t i = IZR (nth i bias 0%Z) * p2 u + terms_value terms i x
  | Some (Relu s) => forall i, x t i = Rmax 0 (x s i)
  | None => True
  end.

(** Every column that a row reads is there. *)
Definition row_fits (n : nat) (r : row) : bool := forallb (fun jw => Nat.ltb (fst jw) n) r.
Definition map_fits (c : circuit) (sm : nat * map) : bool := forallb (row_fits (size c (fst sm))) (rows (snd sm)).
Definition fits (c : circuit) : Prop := forall t u bias terms,
  def c t = Some (Affine u bias terms) -> forallb (map_fits c) terms = true.

(** ** Linear functionals of one tensor: integers in units of 2^scale *)

Record block := Block { scale : Z; coefs : vec Z }.

Fixpoint dot (l : list Z) (x : nat -> R) : R :=
  match l with
  | [] => 0
  | c :: l => IZR c * x O + dot l (fun i => x (S i))
  end.

Definition block_value (b : block) (x : nat -> R) : R := p2 (scale b) * dot (vlist (coefs b)) x.

Lemma dot_ext l x y : (forall i, x i = y i) -> dot l x = dot l y.
Proof. revert x y; induction l; intros x y H; simpl; auto. rewrite H, (IHl _ (fun i => y (S i))); auto. Qed.

Lemma dot_repeat n x : dot (repeat 0%Z n) x = 0.
Proof. revert x; induction n; intros; simpl; auto. rewrite IHn; lra. Qed.

Lemma dot_plus l x y : dot l (fun i => x i + y i) = dot l x + dot l y.
Proof. revert x y; induction l; intros; simpl; [lra|]. rewrite (IHl (fun i => x (S i)) (fun i => y (S i))). lra. Qed.

Lemma dot_scal l k x : dot l (fun i => k * x i) = k * dot l x.
Proof. revert x; induction l; intros; simpl; [lra|]. rewrite (IHl (fun i => x (S i))). lra. Qed.

Lemma dot_replace l i c x : (i < length l)%nat -> dot (replace l i c) x = dot l x + IZR (c - nth i l 0%Z) * x i.
Proof.
  revert i x. induction l as [|b l IH]; intros i x H; simpl in *; [lia|].
  destruct i; simpl.
  - rewrite minus_IZR. lra.
  - rewrite IH by lia. lra.
Qed.

(** *** Adding *)

Fixpoint zip_add (a b : list Z) : list Z :=
  match a, b with
  | [], b => b
  | a, [] => a
  | x :: a, y :: b => (x + y)%Z :: zip_add a b
  end.

Lemma dot_zip_add a b x : dot (zip_add a b) x = dot a x + dot b x.
Proof.
  revert b x. induction a as [|c a IH]; intros [|d b] x; simpl; try lra.
  rewrite IH, plus_IZR. lra.
Qed.

(** The same functional in smaller units. *)
Definition rescale (e : Z) (b : block) : block :=
  if (scale b =? e)%Z then b else
  Block e (Vec (List.map (fun c => Z.shiftl c (scale b - e)) (vlist (coefs b)))).

Lemma dot_shift l k x : (0 <= k)%Z -> dot (List.map (fun c => Z.shiftl c k) l) x = p2 k * dot l x.
Proof.
  intros H. revert x; induction l; intros; simpl; [lra|].
  rewrite IHl, shiftl_p2 by auto. lra.
Qed.

Lemma rescale_value e b x : (e <= scale b)%Z -> block_value (rescale e b) x = block_value b x.
Proof.
  intros H. unfold rescale. destruct (Z.eqb_spec (scale b) e); auto.
  unfold block_value; simpl. rewrite dot_shift by lia.
  rewrite <- Rmult_assoc, <- p2_add. do 2 f_equal. lia.
Qed.

Definition block_add (a b : block) : block :=
  let e := Z.min (scale a) (scale b) in
  Block e (Vec (zip_add (vlist (coefs (rescale e a))) (vlist (coefs (rescale e b))))).

Lemma rescale_scale e b : scale (rescale e b) = e.
Proof. unfold rescale. destruct (Z.eqb_spec (scale b) e); auto. Qed.

Lemma block_add_value a b x : block_value (block_add a b) x = block_value a x + block_value b x.
Proof.
  set (e := Z.min (scale a) (scale b)).
  rewrite <- (rescale_value e a), <- (rescale_value e b) by lia.
  unfold block_add, block_value; simpl. rewrite dot_zip_add, !rescale_scale. fold e. lra.
Qed.

(** Adds d·x_i, where the block has an element i. *)
Definition add_element (d : dy) (i : nat) (b : block) : block :=
  let b := rescale (Z.min (ex d) (scale b)) b in
  Block (scale b) (vset (coefs b) i (vget 0%Z (coefs b) i + at_exponent (scale b) d)%Z).

Lemma add_element_value d i b x : (i < vlength (coefs b))%nat ->
  block_value (add_element d i b) x = block_value b x + val d * x i.
Proof.
  intros H. unfold add_element. set (e := Z.min (ex d) (scale b)).
  rewrite <- (rescale_value e b) by lia.
  assert (L : (i < vlength (coefs (rescale e b)))%nat).
  { unfold rescale, vlength in *. destruct (scale b =? e)%Z; auto. simpl. rewrite map_length. exact H. }
  pose proof (rescale_scale e b) as S. set (b' := rescale e b) in *.
  unfold block_value, vset; simpl. rewrite dot_replace by exact L.
  unfold vget. rewrite <- (at_exponent_val (scale b') d) by lia.
  replace (_ + at_exponent (scale b') d - _)%Z with (at_exponent (scale b') d) by lia. lra.
Qed.

(** *** Through an affine map *)

Fixpoint scatter_row (c : Z) (r : row) (into : vec Z) : vec Z :=
  match r with
  | [] => into
  | (j, w) :: r => scatter_row c r (vset into j (vget 0%Z into j + c * w)%Z)
  end.

Fixpoint scatter (cs : list Z) (rs : list row) (into : vec Z) : vec Z :=
  match cs, rs with
  | c :: cs, r :: rs => scatter cs rs (if (c =? 0)%Z then into else scatter_row c r into)
  | _, _ => into
  end.

Definition through (n : nat) (m : map) (b : block) : block :=
  Block (scale b + unit m) (scatter (vlist (coefs b)) (rows m) (vmake n 0%Z)).

Lemma vset_length {A} (v : vec A) i a : vlength (vset v i a) = vlength v.
Proof. apply replace_length. Qed.

Lemma scatter_row_length c r into : vlength (scatter_row c r into) = vlength into.
Proof. revert into; induction r as [|[j w] r IH]; intros; simpl; auto. rewrite IH. apply vset_length. Qed.

Lemma scatter_row_value c r into x : row_fits (vlength into) r = true ->
  dot (vlist (scatter_row c r into)) x = dot (vlist into) x + IZR c * row_value r x.
Proof.
  revert into. induction r as [|[j w] r IH]; intros into H; simpl in *; [lra|].
  apply andb_prop in H as [Hj Hr]. apply Nat.ltb_lt in Hj.
  rewrite IH by (rewrite vset_length; exact Hr).
  unfold vset at 1; simpl. rewrite dot_replace by exact Hj.
  unfold vget. replace (_ + c * w - _)%Z with (c * w)%Z by lia. rewrite mult_IZR. lra.
Qed.

Lemma scatter_value cs rs into x : forallb (row_fits (vlength into)) rs = true ->
  dot (vlist (scatter cs rs into)) x = dot (vlist into) x + dot cs (fun i => row_value (nth i rs []) x).
Proof.
  revert rs into. induction cs as [|c cs IH]; intros rs into H; simpl; [lra|].
  destruct rs as [|r rs]; simpl in *.
  - rewrite (dot_ext cs _ (fun i => 0 * 0)), dot_scal by (intros [|i]; simpl; lra). lra.
  - apply andb_prop in H as [Hr Hrs].
    destruct (Z.eqb_spec c 0) as [->|_].
    + rewrite IH by exact Hrs. lra.
    + rewrite IH by (rewrite scatter_row_length; exact Hrs).
      rewrite scatter_row_value by exact Hr. lra.
Qed.

Lemma through_value n m b x : forallb (row_fits n) (rows m) = true ->
  block_value (through n m b) x = block_value b (fun i => p2 (unit m) * row_value (nth i (rows m) []) x).
Proof.
  intros H. unfold through, block_value; simpl.
  rewrite scatter_value by (unfold vlength, vmake; simpl; rewrite repeat_length; exact H).
  unfold vmake; simpl. rewrite dot_repeat, dot_scal, p2_add. lra.
Qed.

Fixpoint dot_bias (l : list Z) (b : list Z) (sum : Z) : Z :=
  match l, b with
  | c :: l, d :: b => dot_bias l b (if (c =? 0)%Z then sum else (sum + c * d)%Z)
  | _, _ => sum
  end.

Lemma dot_bias_value l b sum : IZR (dot_bias l b sum) = IZR sum + dot l (fun i => IZR (nth i b 0%Z)).
Proof.
  revert b sum. induction l as [|c l IH]; intros b sum; simpl; [lra|].
  destruct b as [|d b]; simpl.
  - rewrite (dot_ext l _ (fun i => 0 * 0)), dot_scal by (intros [|i]; simpl; lra). lra.
  - rewrite IH. destruct (Z.eqb_spec c 0) as [->|_]; [lra|]. rewrite plus_IZR, mult_IZR. lra.
Qed.

(** *** Through a ReLU *)

(** a·z ≤ relu(z) ≤ s·z + t, with slopes in units of 2^-digits; no t where there is no bound *)
Record facet := Facet { lower : Z; upper : Z; intercept : option dy }.

Definition facet_ok (digits : Z) (f : facet) (z : R) : Prop :=
  p2 (- digits) * IZR (lower f) * z <= Rmax 0 z /\
  match intercept f with
  | Some t => Rmax 0 z <= p2 (- digits) * IZR (upper f) * z + val t
  | None => True
  end.

(** The relaxations of a tensor's ReLUs. *)
Record facets := Facets { digits : Z; each : list facet }.

Definition no_facet : facet := Facet 0 0 None.
Definition facets_ok (f : facets) (z : nat -> R) : Prop :=
  forall i, facet_ok (digits f) (nth i (each f) no_facet) (z i).

(** The functional of z that is not above that of relu(z): its coefficients, and what is added. *)
Fixpoint relax (scale : Z) (cs : list Z) (fs : list facet) (sum : dy) : option (list Z * dy) :=
  match cs with
  | [] => Some ([], sum)
  | c :: cs =>
    let f := hd no_facet fs in
    let slope_sum :=
      match (c ?= 0)%Z with
      | Eq => Some (0%Z, sum)
      | Gt => Some ((c * lower f)%Z, sum)
      | Lt => match intercept f with
              | Some t => Some ((c * upper f)%Z, if (man t =? 0)%Z then sum else dadd sum (dmul (Dy c scale) t))
              | None => None
              end
      end in
    match slope_sum with
    | Some (c, sum) =>
      match relax scale cs (tl fs) sum with
      | Some (cs, sum) => Some (c :: cs, sum)
      | None => None
      end
    | None => None
    end
  end.

Lemma relax_value d e cs fs sum cs' sum' z :
  (forall i, facet_ok d (nth i fs no_facet) (z i)) ->
  relax e cs fs sum = Some (cs', sum') ->
  p2 (e - d) * dot cs' z + val sum' <= p2 e * dot cs (fun i => Rmax 0 (z i)) + val sum.
Proof.
  revert fs sum cs' sum' z. induction cs as [|c cs IH]; intros fs sum cs' sum' z H E; simpl in E.
  - injection E as <- <-. simpl. lra.
  - assert (H0 := H O). assert (HS : forall i, facet_ok d (nth i (tl fs) no_facet) (z (S i))).
    { intros i. specialize (H (S i)). destruct fs; simpl in *; auto. destruct i; auto. }
    replace (nth 0 fs no_facet) with (hd no_facet fs) in H0 by (destruct fs; auto).
    set (f := hd no_facet fs) in *.
    pose proof (p2_pos e) as Pe. destruct H0 as [HL HU].
    assert (Pd : p2 (e - d) = p2 e * p2 (- d)) by (rewrite <- p2_add; f_equal; lia).
    destruct (Z.compare_spec c 0) as [->|Hc|Hc]; cbv zeta beta iota in E.
    + destruct (relax e cs (tl fs) sum) as [[l s]|] eqn:R; [|discriminate]. injection E as <- <-.
      specialize (IH _ _ _ _ _ HS R). simpl. lra.
    + destruct (intercept f) as [t|]; [|discriminate].
      set (sum2 := if (man t =? 0)%Z then sum else dadd sum (dmul (Dy c e) t)) in E.
      assert (V : val sum2 = val sum + IZR c * p2 e * val t).
      { unfold sum2. destruct (Z.eqb_spec (man t) 0) as [Z|_].
        - unfold val at 3. rewrite Z. lra.
        - rewrite val_dadd, val_dmul. reflexivity. }
      destruct (relax e cs (tl fs) sum2) as [[l s]|] eqn:R; [|discriminate]. injection E as <- <-.
      specialize (IH _ _ _ _ _ HS R). simpl. rewrite mult_IZR, Pd in *. rewrite V in IH.
      apply IZR_lt in Hc. 
      assert (K : IZR c * (p2 (- d) * IZR (upper f) * z O + val t) <= IZR c * Rmax 0 (z O)) by nra.
      assert (K2 : p2 e * (IZR c * (p2 (- d) * IZR (upper f) * z O + val t)) <= p2 e * (IZR c * Rmax 0 (z O))).
      { apply Rmult_le_compat_l; lra. }
      lra.
    + destruct (relax e cs (tl fs) sum) as [[l s]|] eqn:R; [|discriminate]. injection E as <- <-.
      specialize (IH _ _ _ _ _ HS R). simpl. rewrite mult_IZR, Pd in *.
      apply IZR_lt in Hc.
      assert (K2 : p2 e * (IZR c * (p2 (- d) * IZR (lower f) * z O)) <= p2 e * (IZR c * Rmax 0 (z O))).
      { apply Rmult_le_compat_l; [lra|]. apply Rmult_le_compat_l; lra. }
      lra.
Qed.

(** ** Sweeps *)

(** The tensors that still are to be eliminated, the last one first. *)
Definition pending : Type := list (nat * block).

Fixpoint pending_value (p : pending) (x : values) : R :=
  match p with
  | [] => 0
  | (t, b) :: p => block_value b (x t) + pending_value p x
  end.

Fixpoint push (t : nat) (b : block) (p : pending) : pending :=
  match p with
  | [] => [(t, b)]
  | (s, a) :: q =>
    if Nat.eqb s t then (s, block_add a b) :: q
    else if Nat.ltb s t then (t, b) :: p
    else (s, a) :: push t b q
  end.

Lemma push_value t b p x : pending_value (push t b p) x = block_value b (x t) + pending_value p x.
Proof.
  induction p as [|[s a] p IH]; simpl; auto.
  destruct (Nat.eqb_spec s t) as [->|_]; simpl.
  - rewrite block_add_value. lra.
  - destruct (Nat.ltb s t); simpl; lra.
Qed.

Fixpoint push_terms (c : circuit) (b : block) (terms : list (nat * map)) (p : pending) : pending :=
  match terms with
  | [] => p
  | (s, m) :: terms => push_terms c b terms (push s (through (size c s) m b) p)
  end.

Lemma push_terms_value c b terms p x : forallb (map_fits c) terms = true ->
  pending_value (push_terms c b terms p) x = block_value b (fun i => terms_value terms i x) + pending_value p x.
Proof.
  revert p. induction terms as [|[s m] terms IH]; intros p H; simpl in *.
  - unfold block_value. rewrite (dot_ext _ _ (fun i => 0 * 0)), dot_scal by (intros; lra). lra.
  - apply andb_prop in H as [H1 H2]. rewrite IH, push_value, through_value by auto.
    unfold block_value. rewrite (dot_plus _ (fun i => p2 (unit m) * row_value (nth i (rows m) []) (x s)) (fun i => terms_value terms i x)). lra.
Qed.

(** The least of a functional on a box of inputs, if there is one. *)
Fixpoint least (e : Z) (cs : list Z) (ends : list itv) (sum : dy) : option dy :=
  match cs with
  | [] => Some sum
  | c :: cs =>
    let i := hd whole ends in
    match (c ?= 0)%Z, i with
    | Eq, _ => least e cs (tl ends) sum
    | Gt, (Some l, _) => least e cs (tl ends) (dadd sum (dmul (Dy c e) l))
    | Lt, (_, Some u) => least e cs (tl ends) (dadd sum (dmul (Dy c e) u))
    | _, _ => None
    end
  end.

Lemma least_value e cs ends sum d x : (forall i, inside (nth i ends whole) (x i)) ->
  least e cs ends sum = Some d -> val d <= p2 e * dot cs x + val sum.
Proof.
  revert ends sum x. induction cs as [|c cs IH]; intros ends sum x H E; simpl in E.
  - injection E as <-. simpl. lra.
  - assert (H0 := H O). assert (HS : forall i, inside (nth i (tl ends) whole) (x (S i))).
    { intros i. specialize (H (S i)). destruct ends; simpl in *; auto. destruct i; auto. }
    replace (nth 0 ends whole) with (hd whole ends) in H0 by (destruct ends; auto).
    destruct (hd whole ends) as [l u]. destruct H0 as [HL HU]. pose proof (p2_pos e) as P.
    destruct (Z.compare_spec c 0) as [->|Hc|Hc].
    + specialize (IH _ _ _ HS E). simpl. lra.
    + destruct u as [u|]; [|destruct l; discriminate].
      assert (E' : least e cs (tl ends) (dadd sum (dmul (Dy c e) u)) = Some d) by (destruct l; exact E).
      specialize (IH _ _ _ HS E'). rewrite val_dadd, val_dmul in IH. unfold val at 3 in IH; simpl in IH.
      simpl. simpl in HU. apply IZR_lt in Hc.
      assert (K : p2 e * (IZR c * val u) <= p2 e * (IZR c * x O)) by (apply Rmult_le_compat_l; nra). lra.
    + destruct l as [l|]; [|discriminate].
      specialize (IH _ _ _ HS E). rewrite val_dadd, val_dmul in IH. unfold val at 3 in IH; simpl in IH.
      simpl. simpl in HL. apply IZR_lt in Hc.
      assert (K : p2 e * (IZR c * val l) <= p2 e * (IZR c * x O)) by (apply Rmult_le_compat_l; nra). lra.
Qed.

(** Eliminates the tensors one after the other, then the inputs; one turn for each tensor is enough. *)
Fixpoint eliminate (turns : nat) (c : circuit) (fs : vec facets) (box : list itv) (p : pending) (sum : dy) : option dy :=
  match p with
  | [] => Some sum
  | (t, b) :: p =>
    match turns, def c t with
    | S turns, Some (Affine u bias terms) =>
      let sum := dadd sum (Dy (dot_bias (vlist (coefs b)) bias 0) (scale b + u)) in
      eliminate turns c fs box (push_terms c b terms p) sum
    | S turns, Some (Relu s) =>
      let f := vget (Facets 0 []) fs t in
      match relax (scale b) (vlist (coefs b)) (each f) sum with
      | Some (cs, sum) => eliminate turns c fs box (push s (Block (scale b - digits f) (Vec cs)) p) sum
      | None => None
      end
    | _, None =>
      match t, p with
      | O, [] => least (scale b) (vlist (coefs b)) box sum
      | _, _ => None
      end
    | O, _ => None
    end
  end.

(** The relaxations of the ReLUs hold. *)
Definition relaxed (c : circuit) (fs : vec facets) (x : values) : Prop := forall t s,
  def c t = Some (Relu s) -> facets_ok (vget (Facets 0 []) fs t) (x s).

Lemma eliminate_ok turns c fs box p sum d x :
  solves c x -> fits c -> relaxed c fs x -> (forall i, inside (nth i box whole) (x O i)) ->
  eliminate turns c fs box p sum = Some d -> val d <= pending_value p x + val sum.
Proof.
  intros HS HF HR HB. revert p sum. induction turns as [|turns IH]; intros [|[t b] p] sum E; simpl in E.
  - injection E as <-; simpl; lra.
  - destruct (def c t) as [[]|]; try discriminate. destruct t, p; try discriminate.
    apply (least_value _ _ _ _ _ (x O)) in E; auto. simpl. unfold block_value. lra.
  - injection E as <-; simpl; lra.
  - pose proof (HS t) as Ht. destruct (def c t) as [[u bias terms|s]|] eqn:D.
    + apply IH in E. rewrite (push_terms_value c b terms p x) in E by (eapply HF; eauto).
      rewrite val_dadd in E. unfold val at 3 in E; simpl in E. rewrite dot_bias_value, p2_add in E.
      simpl. unfold block_value in *. rewrite (dot_ext _ (x t) _ Ht).
      rewrite (dot_plus _ (fun i => IZR (nth i bias 0%Z) * p2 u) (fun i => terms_value terms i x)).
      rewrite (dot_ext _ (fun i => IZR (nth i bias 0%Z) * p2 u) (fun i => p2 u * IZR (nth i bias 0%Z))) by (intros; lra).
      rewrite dot_scal. lra.
    + destruct (relax _ _ _ _) as [[cs sum']|] eqn:R; [|discriminate].
      apply IH in E. rewrite push_value in E.
      apply (relax_value _ _ _ _ _ _ _ (x s) (HR t s D)) in R.
      simpl. unfold block_value in *; simpl in E. rewrite (dot_ext _ (x t) _ Ht). lra.
    + destruct t, p; try discriminate.
      apply (least_value _ _ _ _ _ (x O)) in E; auto. simpl. unfold block_value. lra.
Qed.

(** ** Functionals of several tensors *)

(** Σ coefficient · element + constant; (tensor, element, coefficient) *)
Definition term : Type := nat * nat * dy.
Record functional := Functional { parts : list term; const : dy }.

Fixpoint parts_value (l : list term) (x : values) : R :=
  match l with
  | [] => 0
  | (t, i, d) :: l => val d * x t i + parts_value l x
  end.
Definition functional_value (f : functional) (x : values) : R := parts_value (parts f) x + val (const f).

Lemma parts_app a b x : parts_value (a ++ b) x = parts_value a x + parts_value b x.
Proof. induction a as [|[[t i] d] a IH]; simpl; [lra|]. rewrite IH; lra. Qed.

Definition scale_terms (k : dy) (l : list term) : list term :=
  List.map (fun '(t, i, d) => (t, i, dmul k d)) l.

Lemma scale_terms_value k l x : parts_value (scale_terms k l) x = val k * parts_value l x.
Proof. induction l as [|[[t i] d] l IH]; simpl; [lra|]. rewrite IH, val_dmul. lra. Qed.

Fixpoint seed_one (c : circuit) (t i : nat) (d : dy) (p : pending) : option pending :=
  match p with
  | (s, b) :: q =>
    if Nat.eqb s t then if Nat.ltb i (vlength (coefs b)) then Some ((s, add_element d i b) :: q) else None
    else if Nat.ltb t s then match seed_one c t i d q with Some q => Some ((s, b) :: q) | None => None end
    else if Nat.ltb i (size c t) then Some ((t, add_element d i (Block (ex d) (vmake (size c t) 0%Z))) :: p) else None
  | [] => if Nat.ltb i (size c t) then Some [(t, add_element d i (Block (ex d) (vmake (size c t) 0%Z)))] else None
  end.

Lemma fresh_value c t i d x : (i < size c t)%nat ->
  block_value (add_element d i (Block (ex d) (vmake (size c t) 0%Z))) x = val d * x i.
Proof.
  intros H. rewrite add_element_value by (unfold vlength, vmake; simpl; rewrite repeat_length; exact H).
  unfold block_value, vmake; simpl. rewrite dot_repeat. lra.
Qed.

Lemma seed_one_value c t i d p q x : seed_one c t i d p = Some q ->
  pending_value q x = val d * x t i + pending_value p x.
Proof.
  revert q. induction p as [|[s b] p IH]; intros q E; simpl in E.
  - destruct (Nat.ltb_spec i (size c t)); [|discriminate]. injection E as <-. simpl. rewrite fresh_value by auto. lra.
  - destruct (Nat.eqb_spec s t) as [->|_].
    + destruct (Nat.ltb_spec i (vlength (coefs b))); [|discriminate]. injection E as <-. simpl.
      rewrite add_element_value by auto. lra.
    + destruct (Nat.ltb t s).
      * destruct (seed_one c t i d p); [|discriminate]. injection E as <-. simpl. rewrite (IH _ eq_refl). lra.
      * destruct (Nat.ltb_spec i (size c t)); [|discriminate]. injection E as <-. simpl. rewrite fresh_value by auto. lra.
Qed.

Fixpoint seed (c : circuit) (l : list term) (p : pending) : option pending :=
  match l with
  | [] => Some p
  | (t, i, d) :: l =>
    match (if (man d =? 0)%Z then Some p else seed_one c t i d p) with
    | Some p => seed c l p
    | None => None
    end
  end.

Lemma seed_value c l p q x : seed c l p = Some q -> pending_value q x = parts_value l x + pending_value p x.
Proof.
  revert p. induction l as [|[[t i] d] l IH]; intros p E; simpl in E.
  - injection E as <-. simpl. lra.
  - destruct (Z.eqb_spec (man d) 0) as [Z|_].
    + rewrite (IH _ E). simpl. unfold val. rewrite Z. lra.
    + destruct (seed_one c t i d p) eqn:S; [|discriminate].
      rewrite (IH _ E), (seed_one_value _ _ _ _ _ _ x S). simpl. lra.
Qed.

(** The sweep: a lower bound of a functional, if there is one. *)
Definition sweep (c : circuit) (fs : vec facets) (box : list itv) (f : functional) : option dy :=
  match seed c (parts f) [] with
  | Some p => eliminate (vlength (defs c)) c fs box p (const f)
  | None => None
  end.

Theorem sweep_ok c fs box f d x :
  solves c x -> fits c -> relaxed c fs x -> (forall i, inside (nth i box whole) (x O i)) ->
  sweep c fs box f = Some d -> val d <= functional_value f x.
Proof.
  intros HS HF HR HB E. unfold sweep in E. destruct (seed c (parts f) []) as [p|] eqn:S; [|discriminate].
  apply (eliminate_ok _ _ _ _ _ _ _ x) in E; auto.
  rewrite (seed_value _ _ _ _ x S) in E. simpl in E. unfold functional_value. lra.
Qed.

(** ** Relaxations of ReLUs *)

Lemma Rmax_slope a z : 0 <= a <= 1 -> a * z <= Rmax 0 z.
Proof. intros. unfold Rmax. destruct (Rle_dec 0 z); nra. Qed.

(** relu(z) ≤ s·z + max(−s·l, (1 − s)·u) on [l, u], for every s in [0, 1] *)
Lemma Rmax_chord s l u z : 0 <= s <= 1 -> l <= z <= u -> Rmax 0 z <= s * z + Rmax (- (s * l)) ((1 - s) * u).
Proof.
  intros Hs Hz. pose proof (Rmax_l (- (s * l)) ((1 - s) * u)). pose proof (Rmax_r (- (s * l)) ((1 - s) * u)).
  unfold Rmax at 1. destruct (Rle_dec 0 z); nra.
Qed.

(** Slopes outside of [0, 1] relax nothing. *)
Definition make_facet (digits a s : Z) (i : itv) : facet :=
  let one := Z.shiftl 1 digits in
  if ((0 <=? a) && (a <=? one) && (0 <=? s) && (s <=? one))%Z then
    match i with
    | (Some l, Some u) => Facet a s (Some (dmax (dmul (Dy (- s) (- digits)) l) (dmul (Dy (one - s) (- digits)) u)))
    | _ => Facet a s None
    end
  else no_facet.

Lemma no_facet_ok d z : facet_ok d no_facet z.
Proof. split; simpl; auto. pose proof (Rmax_l 0 z). lra. Qed.

Lemma unit_slope d a : (0 <= d)%Z -> (0 <= a <= Z.shiftl 1 d)%Z -> 0 <= p2 (- d) * IZR a <= 1.
Proof.
  intros Hd [Ha Hb]. pose proof (p2_pos (- d)) as P.
  apply IZR_le in Ha. apply IZR_le in Hb. rewrite shiftl_p2 in Hb by auto. split; [nra|].
  apply Rle_trans with (p2 (- d) * (1 * p2 d)); [nra|].
  rewrite Rmult_1_l, <- p2_add. replace (- d + d)%Z with 0%Z by lia. rewrite p2_0. lra.
Qed.

Lemma make_facet_ok d a s i z : (0 <= d)%Z -> inside i z -> facet_ok d (make_facet d a s i) z.
Proof.
  intros Hd Hi. unfold make_facet. set (one := Z.shiftl 1 d).
  destruct ((0 <=? a) && (a <=? one) && (0 <=? s) && (s <=? one))%Z eqn:C; [|apply no_facet_ok].
  repeat (apply andb_prop in C as [C ?]). repeat match goal with H : (_ <=? _)%Z = true |- _ => apply Z.leb_le in H end.
  assert (A : 0 <= p2 (- d) * IZR a <= 1) by (apply unit_slope; auto).
  assert (S : 0 <= p2 (- d) * IZR s <= 1) by (apply unit_slope; auto).
  assert (L : p2 (- d) * IZR a * z <= Rmax 0 z) by (apply Rmax_slope; auto).
  destruct i as [[l|] [u|]]; split; simpl; auto. destruct Hi as [Hl Hu]; simpl in *.
  eapply Rle_trans; [apply (Rmax_chord (p2 (- d) * IZR s) (val l) (val u)); eauto|].
  apply Rplus_le_compat_l. apply Rmax_lub.
  - eapply Rle_trans; [|apply dmax_l]. rewrite val_dmul. unfold val at 2; simpl. rewrite opp_IZR. lra.
  - eapply Rle_trans; [|apply dmax_r]. rewrite val_dmul. unfold val at 2; simpl.
    assert (K : p2 (- d) * p2 d = 1) by (rewrite <- p2_add; replace (- d + d)%Z with 0%Z by lia; apply p2_0).
    unfold one. rewrite minus_IZR, shiftl_p2, Rmult_1_l by auto. apply Req_le.
    transitivity ((p2 (- d) * p2 d - p2 (- d) * IZR s) * val u); [rewrite K; ring|ring].
Qed.

Fixpoint facet_list (digits : Z) (down : Z) (slopes : list (Z * Z)) (ends : list itv) : list facet :=
  match slopes, ends with
  | (a, s) :: slopes, i :: ends =>
    make_facet digits (Z.shiftr a down) (Z.shiftr s down) i :: facet_list digits down slopes ends
  | _, _ => []
  end.

Definition one_32 : Z := 4294967296.
Definition is_whole (s : Z) : bool := ((s =? 0) || (s =? one_32))%Z.

(** From slopes (a, s) in units of 2^-32; where all are 0 or 1, in units of 1. *)
Definition make_facets (slopes : list (Z * Z)) (ends : list itv) : facets :=
  if forallb (fun '(a, s) => is_whole a && is_whole s) slopes
  then Facets 0 (facet_list 0 32 slopes ends)
  else Facets 32 (facet_list 32 0 slopes ends).

Lemma nth_tl {A} (l : list A) (d : A) i : nth i (tl l) d = nth (S i) l d.
Proof. destruct l; simpl; auto. destruct i; auto. Qed.

Lemma facet_list_ok d k slopes ends z : (0 <= d)%Z -> (forall i, inside (nth i ends whole) (z i)) ->
  forall i, facet_ok d (nth i (facet_list d k slopes ends) no_facet) (z i).
Proof.
  intros Hd. revert ends z. induction slopes as [|[a s] slopes IH]; intros [|e ends] z H i; simpl;
    try (destruct i; apply no_facet_ok).
  destruct i; [apply make_facet_ok; auto; apply (H O)|].
  apply (IH ends (fun i => z (S i))). intros j; apply (H (S j)).
Qed.

Lemma make_facets_ok slopes ends z : (forall i, inside (nth i ends whole) (z i)) -> facets_ok (make_facets slopes ends) z.
Proof.
  intros H. unfold make_facets. destruct (forallb _ slopes); intros i; apply facet_list_ok; auto; lia.
Qed.

(** ** Interval arithmetic *)

(** Intervals of all elements of all tensors. *)
Definition intervals : Type := vec (vec itv).
Definition known (S : intervals) (t : nat) : vec itv := vget (Vec []) S t.
Definition within (S : intervals) (x : values) : Prop := forall t i, inside (vget whole (known S t) i) (x t i).

(** Finite intervals in common units. *)
Definition low_exponent (d : option dy) (e : option Z) : option Z :=
  match d with
  | Some d => if (man d =? 0)%Z then e else match e with Some e => Some (Z.min e (ex d)) | None => Some (ex d) end
  | None => e
  end.
Definition common_exponent (ends : list itv) : Z :=
  match fold_left (fun e '(l, u) => low_exponent l (low_exponent u e)) ends None with Some e => e | None => 0%Z end.

(** The mantissa at an exponent; nothing where the number is no multiple of the unit. *)
Definition in_units (e : Z) (d : option dy) : option Z :=
  match d with
  | Some d => if (man d =? 0)%Z then Some 0%Z else if (e <=? ex d)%Z then Some (at_exponent e d) else None
  | None => None
  end.

Fixpoint aligned (e : Z) (ends : list itv) : option (list (Z * Z)) :=
  match ends with
  | [] => Some []
  | (l, u) :: ends =>
    match in_units e l, in_units e u, aligned e ends with
    | Some l, Some u, Some rest => Some ((l, u) :: rest)
    | _, _, _ => None
    end
  end.

Lemma in_units_val e d m : in_units e (Some d) = Some m -> p2 e * IZR m = val d.
Proof.
  simpl. destruct (Z.eqb_spec (man d) 0) as [Z|_].
  - intros [= <-]. unfold val. rewrite Z. lra.
  - destruct (Z.leb_spec e (ex d)); [|discriminate]. intros [= <-]. rewrite Rmult_comm. apply at_exponent_val; auto.
Qed.

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
