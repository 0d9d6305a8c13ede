# Behaviour.pm: engagement rules once more, as slowly and plainly as possible.
#
# The oracle of the oracle: test/oracle/engagement holds to_sql against it. It
# follows the definition of each kind word by word, over lists of events, and
# tries all combinations where the words say "there is". Times are microseconds.
package Behaviour;
use strict;
use warnings;

# An event: { source, at, activity (boolean), and for each rule by its name
# { condition, unless, hit (booleans), steps (array of booleans), key (equal
# numbers for equal values of distinct_by), value (text of a float8) } }.
# A rule: { name, kind, source, points, ... } with intervals in microseconds;
# what is not given is undef.

sub clean_value
{
    my ($text) = @_;
    return 0 if !defined $text || $text =~ /nan|inf/i;
    return $text + 0;
}

sub whole { return ($_[0] - $_[0] % $_[1]) / $_[1] }

sub decay
{
    my ($rule, $age) = @_;
    if (defined $rule->{half_life})
    {
        my $lives = ($age / 1e6) / ($rule->{half_life} / 1e6);
        return $lives > 1000 ? 0 : 2**-$lives;
    }
    if (defined $rule->{linear_over})
    {
        return $age >= $rule->{linear_over} ? 0 : 1 - $age / $rule->{linear_over};
    }
    if (defined $rule->{decay_every})
    {
        my $left = 1 - $rule->{decay_percent} / 100 * whole($age, $rule->{decay_every});
        return $left > 0 ? $left : 0;
    }
    return $age < $rule->{expires_after} ? 1 : 0 if defined $rule->{expires_after};
    return 1;
}

# in_range(rule, event): of its source, and between counts_from and counts_until.
sub in_range
{
    my ($rule, $event) = @_;
    return 0 if defined $rule->{source} && $event->{source} ne $rule->{source};
    return 0 if defined $rule->{counts_from} && $event->{at} < $rule->{counts_from};
    return 0 if defined $rule->{counts_until} && $event->{at} >= $rule->{counts_until};
    return 1;
}

# void_until(rule, events): the latest event that meets `unless`.
sub void_until
{
    my ($rule, @events) = @_;
    my $until;
    for my $event (@events)
    {
        next unless $event->{source} eq $rule->{source} && $event->{ $rule->{name} }{unless};
        $until = $event->{at} if !defined $until || $event->{at} > $until;
    }
    return $until;
}

# matches(rule, now, events): after counts, after, unless, within, distinct_by.
sub matches
{
    my ($rule, $now, @events) = @_;
    my $void = defined $rule->{unless} ? void_until($rule, @events) : undef;
    my @found;
    for my $event (@events)
    {
        my $fact = $event->{ $rule->{name} };
        next unless in_range($rule, $event) && (!defined $rule->{condition} || $fact->{condition});
        next if defined $rule->{after} && $now - $event->{at} < $rule->{after};
        next if defined $void && $event->{at} <= $void;
        next if defined $rule->{within} && $now - $event->{at} >= $rule->{within};
        push @found, { at => $event->{at}, key => $fact->{key},
            value => defined $rule->{value} ? clean_value($fact->{value}) : 1 };
    }
    @found = sort { $b->{at} <=> $a->{at} || $b->{value} <=> $a->{value} } @found;
    return @found unless defined $rule->{distinct_by};
    my %seen;
    return grep { !$seen{ $_->{key} }++ } @found;
}

# Each gives points and whether there is a match that counts.
sub each_rule
{
    my ($rule, $now, $since, @events) = @_;
    my @found = matches($rule, $now, @events);
    my ($points, $counted) = (0, 0);
    splice @found, $rule->{max_count} if defined $rule->{max_count} && @found > $rule->{max_count};
    for my $match (@found)
    {
        my $left = decay($rule, $now - $match->{at});
        $points += $rule->{points} * $left * $match->{value};
        $counted = 1 if $left > 0;
    }
    return ($points, $counted);
}

sub count_rule
{
    my ($rule, $now, $since, @events) = @_;
    my $n = matches($rule, $now, @events);
    return (0, 0) if defined $rule->{at_least} && $n < $rule->{at_least};
    return (0, 0) if defined $rule->{at_most} && $n > $rule->{at_most};
    return ($rule->{points}, $n > 0);
}

sub inactive_rule
{
    my ($rule, $now, $since, @events) = @_;
    my $all = !defined $rule->{source} && !defined $rule->{condition};
    my @times = sort { $a <=> $b } map { $_->{at} } grep {
        in_range($rule, $_) && ($all ? $_->{activity} : !defined $rule->{condition} || $_->{ $rule->{name} }{condition})
    } @events;
    my $last = @times ? $times[-1] : undef;
    my $if_never = $rule->{if_never} // (defined $rule->{condition} ? 'skip' : 'created');
    $last = $since if !@times && $if_never eq 'created' && defined $since && $since <= $now;
    return (0, 0) if !defined $last || $now - $last < $rule->{within};
    return ($rule->{points}, 0) unless defined $rule->{repeat_every};
    my $times = 1 + whole($now - $last - $rule->{within}, $rule->{repeat_every});
    $times = $rule->{max_count} if defined $rule->{max_count} && $times > $rule->{max_count};
    return ($rule->{points} * $times, 0);
}

# endings(rule, events, step, chosen): when a choice of one event for each step,
# the first of them chosen already, is complete.
sub endings
{
    my ($rule, $events, @chosen) = @_;
    my $step = @chosen;
    if ($step == @{ $rule->{steps} })
    {
        my ($first, $last) = (sort { $a <=> $b } @chosen)[ 0, -1 ];
        return defined $rule->{within} && $last - $first > $rule->{within} ? () : ($last);
    }
    my @endings;
    for my $event (@$events)
    {
        next unless $event->{met}[$step];
        next if @chosen && !follows($rule, $events, $chosen[-1], $event->{at});
        push @endings, endings($rule, $events, @chosen, $event->{at});
    }
    return @endings;
}

sub follows
{
    my ($rule, $events, $before, $at) = @_;
    my $order = $rule->{step_order} // 'in_order';
    return 1 if $order eq 'any';
    return 0 if $at <= $before;
    return 1 if $order eq 'in_order';
    return !grep { $_->{at} > $before && $_->{at} < $at } @$events;
}

sub sequence_rule
{
    my ($rule, $now, $since, @events) = @_;
    my $void = defined $rule->{unless} ? void_until($rule, @events) : undef;
    my @meeting;
    for my $event (@events)
    {
        my $steps = $event->{ $rule->{name} }{steps};
        next unless in_range($rule, $event) && grep { $_ } @$steps;
        next if defined $void && $event->{at} <= $void;
        push @meeting, { at => $event->{at}, met => $steps };
    }
    my @endings = sort { $a <=> $b } endings($rule, \@meeting);
    return (0, 0) unless @endings;
    return (0, 0) if defined $rule->{expires_after} && $now - $endings[-1] >= $rule->{expires_after};
    return ($rule->{points}, 1);
}

sub streak_rule
{
    my ($rule, $now, $since, @events) = @_;
    my $grace = $rule->{grace} // 3 * 86_400_000_000;
    my %hit;
    for my $event (@events)
    {
        my $fact = $event->{ $rule->{name} };
        $hit{ $fact->{key} } = 1 if $event->{source} eq $rule->{source} && $fact->{hit};
    }
    my @occasions = map { { at => $_->{at}, hit => $hit{ $_->{key} } ? 1 : 0 } } matches($rule, $now, @events);
    @occasions = sort { $b->{at} <=> $a->{at} || $b->{hit} <=> $a->{hit} }
      grep { $_->{hit} || $now - $_->{at} >= $grace } @occasions;
    return (0, 0) if @occasions < $rule->{at_least};
    return (0, 0) if grep { !$_->{hit} } @occasions[ 0 .. $rule->{at_least} - 1 ];
    return ($rule->{points}, 1);
}

my %kinds = (
    each => \&each_rule,
    count => \&count_rule,
    inactive => \&inactive_rule,
    sequence => \&sequence_rule,
    streak => \&streak_rule,
);

sub clamp
{
    my ($points, $min, $max) = @_;
    $points = $min if defined $min && $points < $min;
    $points = $max if defined $max && $points > $max;
    return $points;
}

# score(model, dimension, now, since, events): model has rules, groups and limits.
sub score
{
    my ($model, $dimension, $now, $since, @events) = @_;
    my %result;
    @events = grep { $_->{at} <= $now } @events;
    $result{ $_->{name} } = [ $kinds{ $_->{kind} }->($_, $now, $since, @events) ] for @{ $model->{rules} };
    my %sum;
    for my $rule (grep { $_->{dimension} eq $dimension } @{ $model->{rules} })
    {
        next if defined $rule->{requires} && !($result{ $rule->{requires} } && $result{ $rule->{requires} }[1]);
        $sum{ $rule->{group_name} // '' } += $result{ $rule->{name} }[0];
    }
    my $score = $sum{''} // 0;
    for my $group (grep { $_->{dimension} eq $dimension } @{ $model->{groups} })
    {
        $score += clamp($sum{ $group->{name} } // 0, $group->{min_points}, $group->{max_points});
    }
    return clamp($score, $model->{"${dimension}_floor"}, $model->{"${dimension}_ceiling"});
}

1;
