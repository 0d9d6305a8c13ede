package Conditions;

# Random conditions over an ugly table, as text.
#
#   my $gen = Conditions->new(seed => 1, icu => 1, citext => 1);
#   $gen->columns          what the table has: name, type, values, share of nulls
#   $gen->condition        one condition that raises for no row
#   $gen->raising          one that may
#
# Everything follows from the seed. Literals come mostly from the values that
# the columns hold, so that conditions are true of some rows and not of others.
use strict;
use warnings;
use utf8;

# ------------------------------------------------------------------- values

my @texts = (
    '', ' ', '  ', 'a', 'A', 'abc', 'ABC', 'abc ', ' abc', 'aBc', "a\tb", "a\nb",
    '%', '_', 'a%c', 'a_c', '100%', '\\', 'a\\c', '\\%', 'C:\\temp', "o'brien", 'say "hi"',
    '$1', ':x', '--', 'null', 'NULL', 'true', '0', '12', '-7', '1e3', 'NaN',
    'é', 'É', "e\x{301}", 'café', 'CAFÉ', "cafe\x{301}", 'ß', 'ẞ', 'ss', 'SS', 'straße', 'STRASSE',
    'İ', 'I', 'i', 'ı', 'İstanbul', 'istanbul', 'ISTANBUL', 'ſ', 's', 'S', "\x{212A}", 'k', 'K',
    "\x{212A}ey", 'key', 'Σ', 'σ', 'ς', 'ΣΑΣ', 'σας', 'σασ', '東京', '東京都', '🙂', '🙂🙃', "\x{A0}",
    'CEO', 'ceo', 'Chief Executive Officer', 'CEO & Founder', 'Co-CEO', 'VP Sales', 'vp, sales',
    'Software', 'software engineer', 'IT', 'SaaS', 'it', 'x@gmail.com', 'y@GMAIL.COM',
    'jo@example.org', 'gmail.com', 'aaaaaaaa', 'aabaabaab', 'abababab',
);
my @long = map {
    my $end = $_;
    (   "repeat('CEO of Software, 100% ', 600) || '$end'",
        "(SELECT string_agg(md5(i::text), 'é' ORDER BY i) FROM generate_series(1, 400) AS i) || '$end'");
} '', ' CEO', 'x@gmail.com', "\x{212A}ey";
my @ints = (0, 1, -1, 2, 3, 5, 7, 10, 11, 49, 50, 51, 100, 127, 200, 500, 1000, 30000);
my @days = ('2026-01-01', '2025-12-31', '2025-10-03', '2024-02-29', '2024-03-01', '2000-01-01',
    '1999-12-31', '1900-01-01', '0044-03-15 BC', '9999-12-31', 'infinity', '-infinity');
my @json = ('{}', '[]', 'null', '1', '"x"', '{"page": "/pricing"}', '{"page": "/Pricing?q=1", "n": 5}',
    '{"page": null}', '{"page": ""}', '{"n": 12, "a": {"b": "c"}}', '{"a": [1, 2]}', '[1, "a", null]',
    '{"n": "5"}', '{"vip": true, "page": "é"}', '{"n": 5.0}');

# column(NAME, TYPE, CLASS, VALUES, ...): CLASS says which forms fit.
sub column
{
    my ($name, $type, $class, $values, %more) = @_;
    return {
        name => $name, type => $type, class => $class, values => $values, nulls => 0.12,
        sql => ident($name), like => $class eq 'text', %more
    };
}

sub make_columns
{
    my ($self) = @_;
    my @short = grep { length($_) <= 8 && !/\n/ } @texts;
    my @columns = (
        column('title', 'text', 'text', \@texts),
        column('dropped_1', 'numeric', 'dropped', [1]),
        column('Job Title', 'text', 'text', \@texts, nulls => 0.4),
        column('c"q', 'varchar', 'text', \@texts),
        column('v10', 'varchar(10)', 'text', \@short),
        column('c8', 'char(8)', 'text', \@short, collated => 1),
        column('email', 'text', 'text', [ grep { /@|^$|gmail/ } @texts ], nulls => 0.3),
        column('t_c', 'text COLLATE "C"', 'text', \@texts, collated => 1),
        column('t_dom', 'oracle.word', 'text', \@texts, collated => 1),
        column('long', 'text', 'text', [ grep { /CEO|gmail|key|^$/ } @texts ], long => \@long),
        column('long_x', 'text', 'text', [ grep { /CEO|gmail|key|^$/ } @texts ], long => \@long),
        column('word', 'name', 'text', \@short, collated => 1),
        column('letter', '"char"', 'letter', [ 'a', 'B', ' ', 'z', '1' ]),
        column('i2', 'int2', 'int', [ @ints, 32767, -32768 ]),
        column('i4', 'int4', 'int', [ @ints, 2147483647, '-2147483648' ]),
        column('Company Size', 'int4', 'int', [ @ints, 999999 ], nulls => 0.3),
        column('dropped_2', 'text', 'dropped', ['x']),
        column('i8', 'int8', 'int', [ @ints, 3000000000, '9223372036854775807', '-9223372036854775808' ]),
        column('i_dom', 'oracle.count', 'int', \@ints),
        column('n', 'numeric', 'num', [ @ints, 0.1, '0.10', 2.5, '1e30', '-1e-30', 'NaN', 'Infinity', '-Infinity' ]),
        column('n2', 'numeric(12,2)', 'num', [ @ints, 0.1, 2.5, -0.01, '12345678.90', 'NaN' ]),
        column('f4', 'float4', 'float', [ @ints, 0.1, -2.5, '-0', '1e38', 'NaN', 'Infinity', '-Infinity' ]),
        column('f8', 'float8', 'float', [ @ints, 0.1, -2.5, '-0', '1e308', '5e-324', 'NaN', 'Infinity', '-Infinity' ]),
        column('vip', 'boolean', 'bool', [ 'true', 'false' ], nulls => 0.3),
        column('Is Ok', 'boolean', 'bool', [ 'true', 'false' ]),
        column('b_dom', 'oracle.flag', 'bool', [ 'true', 'false' ], nulls => 0.3),
        column('d', 'date', 'date', [ @days, '5874897-12-31', '4713-01-01 BC' ]),
        column('Since', 'date', 'date', \@days),
        column('ts', 'timestamp', 'ts', [ @days, '2025-10-03 00:00:00.000001', '2025-12-31 23:59:59.999999', '294276-12-31 12:00' ]),
        column('tz', 'timestamptz', 'tz', [ @days, '2025-10-03 12:00+05', '2025-10-03 00:00:00.000001+00', '2026-01-01 00:00:01+00' ]),
        column('dropped_3', 'jsonb', 'dropped', ['{}']),
        column('Last Seen', 'timestamptz', 'tz', [ @days, '2025-12-31 18:30-06', '2025-07-01 09:00+00' ], nulls => 0.3),
        column('tm', 'time', 'plain', [ '00:00', '24:00', '09:30', '23:59:59.999999' ]),
        column('iv', 'interval', 'plain', [ '0', '1 mon', '30 days', '31 days', '-1 day', '24:00', '1 day', '1 year', '12 mons' ]),
        column('e', 'oracle.mood', 'plain', [ 'cold', 'Warm', 'hot', "o'clock" ]),
        column('u', 'uuid', 'plain', [ map { "${_}0000000-0000-4000-8000-00000000000$_" } 0 .. 5, "f" ]),
        column('ta', 'text[]', 'texts', [ '{}', '{a}', '{a,b}', '{b,a}', '{NULL}', '{a,NULL}', '{CEO,"é"}', '{""}', '{{a,b},{c,d}}' ]),
        column('ia', 'int[]', 'ints', [ '{}', '{1}', '{1,2}', '{2,1}', '{NULL}', '{1,NULL}', '{50,100}', '[0:1]={1,2}' ]),
        column('j', 'jsonb', 'json', \@json),
        column('props', 'jsonb', 'json', \@json, nulls => 0.3),
        column('ip', 'inet', 'inet', [ '10.0.0.1', '10.0.0.1/8', '10.0.0.0/8', '192.168.1.7', '::1', '2001:db8::/32', '255.255.255.255' ]),
        column('by', 'bytea', 'plain', [ '\x', '\x00', '\x6162', '\xff', '\x616263' ]),
        column('rng', 'int4range', 'range', [ 'empty', '[1,5)', '[5,)', '(,)', '[50,100]', '(,0]' ]),
        column('oi', 'oid', 'oid', [ 0, 1, 50, 4294967295 ]),
        column('bt', 'bit(4)', 'plain', [ '0000', '1010', '1111' ]),
    );
    push @columns, column('ctx', 'citext', 'text', \@texts, collated => 1) if $self->{citext};
    push @columns,
      column('t_nd', 'text COLLATE oracle.nocase', 'text', \@texts, like => 0, collated => 1),
      column('t_tr', 'text COLLATE "tr-x-icu"', 'text', \@texts, collated => 1),
      column('t_icu', 'text COLLATE "und-x-icu"', 'text', \@texts, collated => 1)
      if $self->{icu};
    return [@columns];
}

# ------------------------------------------------------------------- chance

sub new
{
    my ($class, %self) = @_;
    my $self = bless {%self}, $class;
    srand($self->{seed});
    $self->{columns} = $self->make_columns;
    $self->{usable} = [ grep { $_->{class} ne 'dropped' } @{ $self->{columns} } ];
    $self->focus(scalar @{ $self->{usable} });
    return $self;
}

sub columns { return @{ $_[0]{columns} } }

sub chance { return rand() < $_[0] }

sub pick { return $_[ rand @_ ] }

sub shuffle
{
    my @items = @_;
    for my $i (reverse 1 .. $#items)
    {
        my $j = int rand($i + 1);
        @items[ $i, $j ] = @items[ $j, $i ];
    }
    return @items;
}

# focus(N): from now on conditions name N of the columns only.
sub focus
{
    my ($self, $n) = @_;
    my @columns = shuffle(@{ $self->{usable} });
    $self->{pool} = [ @columns[ 0 .. ($n > @columns ? $#columns : $n - 1) ] ];
    return;
}

sub of_class
{
    my ($self, @classes) = @_;
    my %wanted = map { $_ => 1 } @classes;
    my @near = grep { $wanted{ $_->{class} } } @{ $self->{pool} };
    return pick(@near) if @near && chance(0.8);
    return pick(grep { $wanted{ $_->{class} } } @{ $self->{usable} });
}

# ----------------------------------------------------------------- literals

sub ident
{
    my ($name) = @_;
    return $name if $name =~ /^[a-z_][a-z0-9_]*$/;
    $name =~ s/"/""/g;
    return qq("$name");
}

# quote(TEXT): a string literal, in any of the ways in which SQL writes one.
sub quote
{
    my ($text, $plainly) = @_;
    my $way = $plainly ? 1 : rand();
    if ($way < 0.06 && $text !~ /\$/) { return "\$q\$$text\$q\$"; }
    if ($way < 0.12)
    {
        $text =~ s/([\\'])/\\$1/g;
        return "E'$text'";
    }
    (my $doubled = $text) =~ s/'/''/g;
    if ($way < 0.16)
    {
        $doubled =~ s/\\/\\\\/g;
        $doubled =~ s/([^\x00-\x7f])/sprintf '\\+%06X', ord $1/ge;
        return "U&'$doubled'";
    }
    return "'$doubled'";
}

my %casts = (
    text => [qw(text varchar varchar(5))],
    int => [qw(int2 int4 int8 numeric float8)],
    num => [qw(numeric int8 float8)],
    float => [qw(float4 float8 numeric)],
    date => [qw(date timestamp)],
    ts => [qw(timestamp date)],
    tz => ['timestamptz'],
);

# near(VALUE): the value or one beside it.
sub near
{
    my ($column) = @_;
    my $value = pick(@{ $column->{values} });
    return $value unless chance(0.15);
    return $value + pick(-1, 1) if $column->{class} eq 'int' && abs($value) < 30000;
    return pick(@texts) if $column->{class} eq 'text';
    return $value;
}

# literal(COLUMN): one that the column can be compared with.
sub literal
{
    my ($column, $untyped) = @_;
    my ($class, $value) = ($column->{class}, near($column));
    my $number = $class =~ /^(int|num|float|oid)$/ && $value !~ /[a-df-z]/i;
    return $number ? $value : quote($value, $class ne 'text') if $untyped || chance(0.75);
    return $value . '.0' if $number && $value =~ /^\d+$/ && $class ne 'oid' && chance(0.2);
    my $cast = pick(@{ $casts{$class} // [] });
    return quote($value, $class ne 'text') unless $cast && cast_fits($cast, $value);
    return quote($value, 1) . "::$cast";
}

sub cast_fits
{
    my ($cast, $value) = @_;
    return $value =~ /^-?\d+$/ && abs($value) <= 30000 if $cast =~ /^int/;
    return $value !~ /e-?3/ if $cast eq 'float4';
    return $value !~ /e-324/ if $cast eq 'float8';
    return $value !~ /5874897/ if $cast eq 'timestamp';
    return $value !~ /:|294276/ if $cast eq 'date';
    return 1;
}

# -------------------------------------------------- forms that any class has

my @operators = ('=', '=', '=', '<>', '<', '<=', '>', '>=');

sub compare
{
    my ($self, $s) = @_;
    return "$s->{sql} @{[pick(@operators)]} " . literal($s) if chance(0.75);
    return literal($s) . " @{[pick(@operators)]} $s->{sql}";
}

sub between
{
    my ($self, $s) = @_;
    my ($low, $high) = map { literal($s, 1) } 1, 2;
    return "$s->{sql} " . pick('BETWEEN', 'BETWEEN', 'NOT BETWEEN', 'BETWEEN SYMMETRIC') . " $low AND $high";
}

sub among
{
    my ($self, $s) = @_;
    my @list = map { literal($s, 1) } 1 .. pick(1, 2, 3, 3, 5, 12);
    push @list, pick(@list) if chance(0.3);
    push @list, 'NULL' if chance(0.15);
    @list = shuffle(@list);
    my $list = join ', ', @list;
    return "$s->{sql} " . pick('IN', 'IN', 'NOT IN') . " ($list)" if chance(0.8) || $s->{class} eq 'letter';
    return "$s->{sql} " . pick('= ANY', '<> ALL', '= ALL', '<> ANY', '< ANY') . " (ARRAY[$list])"
      if $s->{class} eq 'int';
    return "$s->{sql} " . pick('IN', 'NOT IN') . " ($list)";
}

sub nullness
{
    my ($self, $s) = @_;
    return "$s->{sql} " . pick('IS NULL', 'IS NOT NULL', 'ISNULL', 'NOTNULL');
}

sub distinctness
{
    my ($self, $s) = @_;
    my $other = chance(0.2) ? 'NULL' : literal($s, 1);
    return "$s->{sql} " . pick('IS DISTINCT FROM', 'IS NOT DISTINCT FROM') . " $other";
}

sub coalesced
{
    my ($self, $s) = @_;
    my $subject = 'coalesce(' . $s->{sql} . ', ' . literal($s, 1) . ')';
    $subject = "nullif($s->{sql}, " . literal($s, 1) . ')' if chance(0.3);
    return "$subject @{[pick(@operators)]} " . literal($s, 1);
}

# ------------------------------------------------------------ forms of texts

sub swap_case { return pick($_[0], $_[0], uc $_[0], lc $_[0]) }

sub fragment
{
    my ($s) = @_;
    my $value = near($s);
    return $value if length($value) < 2 || chance(0.3);
    my $length = 1 + int rand length $value;
    return substr $value, int rand(1 + length($value) - $length), $length;
}

sub escaped
{
    my ($text, $by) = @_;
    return $text if chance(0.1) && $text !~ /\\/;
    $text =~ s/([%_\Q$by\E])/$by$1/g;
    return $text;
}

sub pattern
{
    my ($s, $by) = @_;
    my ($a, $b) = map { escaped(swap_case(fragment($s)), $by) } 1, 2;
    my $whole = escaped(swap_case(near($s)), $by);
    my @shapes = ("$a%", "$a%", "%$a", "%$a", "%$a%", "%$a%", "%$a%", $whole, "%$a%$b%", "$a%$b",
        '', '%', '%%', '_', '__%', '_%', "%_$a", "${a}_", "_$a%", "%$a%%", "$a%$by%", "%$by$by%");
    if (length $whole && chance(0.1))
    {
        my $holed = near($s);
        substr($holed, rand length $holed, 1) = '_' if length $holed;
        $holed =~ s/\Q$by\E/$by$by/g;
        return chance(0.5) ? $holed : "%$holed%";
    }
    return pick(@shapes);
}

sub like
{
    my ($self, $s) = @_;
    my $not = chance(0.25);
    my $any = pick('LIKE', 'ILIKE', 'ILIKE');
    my $by = chance(0.06) ? '!' : '\\';
    my $pattern = quote(pattern($s, $by));
    return "$s->{sql} " . ($not ? 'NOT ' : '') . "$any $pattern" . ($by eq '!' ? " ESCAPE '!'" : '')
      if $by eq '!' || chance(0.85);
    return "$s->{sql} " . ($not ? '!' : '') . ($any eq 'LIKE' ? '~~' : '~~*') . " $pattern" if chance(0.5);
    my @all = map { quote(pattern($s, '\\'), 1) } 1 .. 3;
    return "$s->{sql} $any " . pick('ANY', 'ALL') . ' (ARRAY[' . join(', ', @all) . '])';
}

sub regex
{
    my ($self, $s) = @_;
    my $text = swap_case(fragment($s));
    $text =~ s/([^\w\s])/ord $1 < 128 ? "\\$1" : $1/ge;
    $text =~ s/\s/./g;
    my $regex = pick("^$text", "$text\$", $text, '^[A-Z]', '[[:digit:]]+$', "(ceo|$text)", '^$');
    return "$s->{sql} " . pick('~', '~*', '!~', '!~*') . ' ' . quote($regex, 1);
}

sub text_function
{
    my ($self, $s) = @_;
    my %of = (%$s, class => 'text', collated => 1);
    $of{sql} = pick("lower($s->{sql})", "lower($s->{sql})", "upper($s->{sql})", "btrim($s->{sql})",
        "$s->{sql} || 'x'", "left($s->{sql}, 3)", "coalesce($s->{sql}, '')", "lower(btrim($s->{sql}))");
    $of{sql} = "($of{sql})" if $of{sql} =~ /\|\|/;
    my %length = (%of, class => 'int', sql => "length($s->{sql})", values => [ 0 .. 8 ]);
    return $self->of(\%length, 'compare', 'between', 'among') if chance(0.2);
    return $self->compare(\%of) if !$s->{like};
    return $self->of(\%of, 'compare', 'like', 'among', 'between');
}

sub two_texts
{
    my ($self, $s) = @_;
    my @others = grep { $_->{class} eq 'text' && !$_->{collated} } @{ $self->{usable} };
    return $self->compare($s) if $s->{collated};
    my $other = pick(@others)->{sql};
    return pick("$s->{sql} = $other", "$s->{sql} <> $other", "$s->{sql} < $other",
        "$s->{sql} || $other LIKE '%C%'", "position($other IN $s->{sql}) > 0");
}

# An explicit collation: another order, another lower().
sub collated
{
    my ($self, $s) = @_;
    my @names = ('"C"', '"POSIX"', $self->{icu} ? ('"tr-x-icu"', '"tr-x-icu"', '"und-x-icu"', '"de-x-icu"') : ());
    my %of = (%$s, sql => "$s->{sql} COLLATE " . pick(@names), like => 1);
    return $self->of(\%of, qw(compare between like like among));
}

# ---------------------------------------------------- forms of other classes

sub two_numbers
{
    my ($self, $s) = @_;
    my $other = $self->of_class('int', 'num', 'float');
    return "$s->{sql} " . pick(@operators) . " $other->{sql}";
}

sub arithmetic
{
    my ($self, $s) = @_;
    return pick("$s->{sql} % 10 = 1", "$s->{sql} / 10 > 4", "($s->{sql} & 1) = 1", "$s->{sql}::numeric + 0.5 > 50",
        "$s->{sql}::float8 < 50.5", "$s->{sql}::text LIKE '1%'", "$s->{sql}::text = '50'") if $s->{class} eq 'int';
    return pick("abs($s->{sql}) > 2", "$s->{sql} * 1 >= 50", "sign($s->{sql}) = 1", "-$s->{sql} < 0", "greatest($s->{sql}, 3) = 3");
}

sub truth
{
    my ($self, $s) = @_;
    my $other = $self->of_class('bool')->{sql};
    return pick($s->{sql}, $s->{sql}, "NOT $s->{sql}", "$s->{sql} = true", "$s->{sql} <> true", "$s->{sql} = $other",
        "$s->{sql} <> $other", "$s->{sql} > false", "$s->{sql} IN (true, NULL)", "$s->{sql} NOT IN (false)", "coalesce($s->{sql}, true)",
        "coalesce($s->{sql}, false) IS TRUE", "$s->{sql} = 'yes'", "$s->{sql} = NULL", "($s->{sql})::int = 1", "true = $s->{sql}",
        map { ("$s->{sql} IS $_", "$s->{sql} IS NOT $_") } qw(TRUE FALSE UNKNOWN NULL));
}

my @intervals = ("interval '90 days'", "interval '1 month'", "'1 year'::interval", "interval '36:30'", "interval '-1 day'");

sub moment
{
    my ($self, $s) = @_;
    my ($op, $iv) = (pick('<', '<=', '>', '>=', '='), pick(@intervals));
    my %as_of = (
        tz => [ 'as_of', "as_of - $iv", "as_of - $iv", "as_of + $iv", "date_trunc('month', as_of)", "date_trunc('day', as_of) - $iv" ],
        ts => [ "(as_of AT TIME ZONE 'UTC')", "((as_of - $iv) AT TIME ZONE 'Europe/Paris')", 'as_of::timestamp', "(as_of - $iv)::timestamp" ],
        date => [ 'as_of::date', "(as_of - $iv)::date", 'as_of::date - 30', "(as_of AT TIME ZONE 'Asia/Tokyo')::date" ],
    );
    my $moment = pick(@{ $as_of{ $s->{class} } });
    return "$moment $op $s->{sql}" if chance(0.2);
    return "$s->{sql} BETWEEN $as_of{$s->{class}}[1] AND $moment" if chance(0.2);
    return "$s->{sql} $op $moment";
}

sub calendar
{
    my ($self, $s) = @_;
    return pick("($s->{sql} AT TIME ZONE 'UTC')::date " . pick(@operators) . " '2025-10-03'",
        "$s->{sql} AT TIME ZONE 'Asia/Tokyo' < '2025-12-31'", "extract(year FROM $s->{sql} AT TIME ZONE 'UTC') = 2025") if $s->{class} eq 'tz';
    my $other = $self->of_class('date', 'ts')->{sql};
    return pick("extract(year FROM $s->{sql}) >= 2024", "isfinite($s->{sql})", "$s->{sql} < $other", "$s->{sql} = $other",
        "extract(month FROM $s->{sql}) = 12", "extract(dow FROM as_of) IN (0, 6)", "as_of > '2025-12-31 12:00'");
}

sub arrays
{
    my ($self, $s) = @_;
    my ($value, $type) = $s->{class} eq 'ints' ? (pick(1, 2, 50), 'int') : (quote(pick('a', 'b', 'CEO', 'é', ''), 1), 'text');
    my $many = quote(pick(@{ $s->{values} }), 1);
    return pick("$value = ANY ($s->{sql})", "$value <> ALL ($s->{sql})", "NOT ($value = ANY ($s->{sql}))", "$s->{sql} @> ARRAY[$value]",
        "$s->{sql} && ARRAY[$value, NULL]::${type}[]", "$s->{sql} = $many", "$s->{sql} < $many", "$s->{sql}\[1] = $value",
        "cardinality($s->{sql}) > 1", "array_length($s->{sql}, 1) IS NULL", "$s->{sql} <@ $many", "array_ndims($s->{sql}) = 2",
        "$s->{sql} IN ($many, '{}')", "$s->{sql} IS DISTINCT FROM $many");
}

sub jsons
{
    my ($self, $s) = @_;
    my %page = (sql => "$s->{sql}->>'page'", class => 'text', like => 1, values => [ '/pricing', '/Pricing?q=1', '', 'é', 'x' ]);
    $page{sql} = "($page{sql})" if chance(0.4);
    return $self->of({%page}, qw(compare like like among among nullness distinctness between regex)) if chance(0.6);
    my $value = quote(pick(@json), 1);
    return pick("$s->{sql} @> $value", "$s->{sql} = $value", "$s->{sql} ? 'page'", "$s->{sql} ?| ARRAY['n', 'vip']", "$s->{sql}->'n' = '5'",
        "$s->{sql}->'n' IN ('5', '12')", "$s->{sql} #>> '{a,b}' = 'c'", "jsonb_typeof($s->{sql}) = 'object'", "$s->{sql}->>0 = '1'",
        "$s->{sql} @@ '\$.n > 3'", "$s->{sql}->'a'->>'b' = 'c'", "lower($s->{sql}->>'page') LIKE '/p%'", "$s->{sql} < $value",
        "$s->{sql} IN ($value, '{}')", "coalesce($s->{sql}->>'page', '') = ''", "$s->{sql}\['n'] = '5'");
}

sub addresses
{
    my ($self, $s) = @_;
    return "$s->{sql} " . pick('<<', '<<=', '>>', '>>=', '&&') . " '10.0.0.0/8'" if chance(0.5);
    return pick("family($s->{sql}) = 4", "masklen($s->{sql}) < 32", "host($s->{sql}) LIKE '10.%'");
}

sub ranges
{
    my ($self, $s) = @_;
    return pick("$s->{sql} @> 5", "$s->{sql} && '[1,50]'", "isempty($s->{sql})", "lower($s->{sql}) >= 5", "$s->{sql} << '[60,70)'", "upper_inf($s->{sql})");
}

# What names no column, and what always stands for the same.
sub constant
{
    return pick('true', 'false', 'NULL', 'NULL::boolean', '1 = 1', '1 > 2', "'a' = 'b'", 'true', 'NULL = 1',
        "as_of > '2025-12-31'", 'as_of IS NOT NULL', "extract(year FROM as_of AT TIME ZONE 'UTC') = 2026");
}

my @any = qw(compare compare compare among among between nullness distinctness coalesced);
my @numbers = (@any, qw(compare between two_numbers arithmetic));
my %forms = (
    text => [ @any, qw(like like like like like like text_function text_function two_texts regex collated collated) ],
    letter => [qw(compare among nullness distinctness)],
    int => [@numbers],
    num => [@numbers],
    float => [@numbers],
    oid => [qw(compare among between nullness)],
    bool => [ ('truth') x 6, 'nullness' ],
    date => [ @any, qw(moment moment moment calendar) ],
    ts => [ @any, qw(moment moment calendar) ],
    tz => [ @any, qw(moment moment moment calendar) ],
    plain => [@any],
    texts => ['arrays', 'arrays', 'nullness'],
    ints => ['arrays', 'arrays', 'nullness'],
    json => [ ('jsons') x 6, 'nullness', 'distinctness' ],
    inet => [ @any, 'addresses', 'addresses' ],
    range => [ @any, 'ranges', 'ranges' ],
);

# of(SUBJECT, FORMS): one of the forms that the subject can have.
sub of
{
    my ($self, $s, @names) = @_;
    @names = grep { !/^(like|regex|two_texts)$/ } @names unless $s->{like};
    my $name = @names ? pick(@names) : 'compare';
    $self->{used}{$name}++;
    return $self->$name($s);
}

sub leaf
{
    my ($self) = @_;
    return $self->constant if chance(0.03);
    my $column = pick(@{ $self->{pool} });
    my %subject = %$column;
    $subject{sql} = 'contact.' . $subject{sql} if chance(0.05);
    return $self->of(\%subject, @{ $forms{ $column->{class} } });
}

# -------------------------------------------------------------------- trees

sub wrapped
{
    my ($self, $inner) = @_;
    return pick("NOT ($inner)", "NOT ($inner)", "($inner) IS TRUE", "($inner) IS NOT TRUE", "($inner) IS FALSE", "($inner) IS UNKNOWN",
        "($inner) IS NOT DISTINCT FROM true", "coalesce($inner, true)", "CASE WHEN $inner THEN true ELSE NULL END",
        "CASE WHEN $inner THEN false ELSE " . $self->leaf . ' END', "($inner) = (" . $self->leaf . ')');
}

sub tree
{
    my ($self, $depth, $leaf) = @_;
    return $leaf->() if $depth == 0 || chance(0.3);
    return $self->wrapped($self->tree($depth - 1, $leaf)) if chance(0.2);
    my @parts = map { $self->tree($depth - 1, $leaf) } 1 .. pick(2, 2, 2, 3, 4);
    push @parts, pick(@parts) if chance(0.05);
    return join pick(' AND ', ' OR '), map { "($_)" } @parts;
}

# condition: half of them a single predicate, the rest trees, some of them over
# few columns. Some are said again.
sub condition
{
    my ($self) = @_;
    my $said = $self->{said} //= [];
    return pick(@$said) if @$said && chance(0.05);
    my $pool = $self->{pool};
    local $self->{pool} = [ (shuffle(@$pool))[ 0 .. (@$pool > 1 && chance(0.5)) ] ] if chance(0.4);
    my $condition = $self->tree(chance(0.5) ? 0 : pick(1, 2, 3, 4), sub { $self->leaf });
    $condition = "\n  $condition -- as written" if chance(0.02);
    push @$said, $condition;
    return $condition;
}

# ------------------------------------------------------------------- raising

sub raiser
{
    my ($self) = @_;
    my ($i, $text, $date, $float) = map { $self->of_class($_)->{sql} } qw(int text date float);
    $text = 'title' if $text =~ /t_nd/;
    return pick("100 / $i > 1", "100 % $i = 0", "${i}::int2 + 32767::int2 > 0", "abs($i) > 10", "$i - 1 < 50", "sqrt($float) > 1", "ln($float) > 0",
        "power($float, 1000) > 1", "$text\::text::int > 3", "$text\::text::boolean", "$text\::text::uuid = '00000000-0000-4000-8000-000000000000'",
        "$text LIKE 'a\\'", "$text LIKE 'ab%\\'", "left($text, 2)::numeric > 1", "(j->>'n')::int > 3", "jsonb_array_length(j) > 1", "ta[1]::int = 1",
        "substring(title, 1, i4) = 'a'", "$date - date '2025-01-01' > 30", "as_of - tz > interval '90 days'", "1 / nullif($i, 5) >= 0",
        "ts + interval '200000 years' > as_of AT TIME ZONE 'UTC'", "chr(i2) = 'a'");
}

# raising: some parts raise for some rows, most behind a guard. The guards are
# mostly what an index may decide, with nulls among them.
sub raising
{
    my ($self) = @_;
    my ($guard, $other, $raiser) = ($self->guard, $self->guard, $self->raiser);
    return $self->tree(pick(2, 3), sub { chance(0.35) ? $self->raiser : $self->guard }) if chance(0.3);
    return pick("$guard AND $raiser", "$guard AND $raiser", "($guard) AND ($other) AND $raiser", "$guard OR $raiser", "$raiser AND $guard",
        "($guard OR $other) AND $raiser", "($guard OR $other) AND $raiser", "($guard AND $raiser) OR $other", "NOT ($guard AND $raiser)", "($guard AND $other) OR $raiser",
        "CASE WHEN $guard THEN $raiser ELSE $other END", "coalesce($guard, $raiser)", "(NULL OR $guard) AND $raiser", "$guard AND 1 / (extract(year FROM as_of AT TIME ZONE 'UTC')::int - 2026) < 1",
        "(i4 > 5 AND i4 < 3 OR $guard) AND $raiser", "$guard AND ($other OR $raiser)", "$guard AND NOT ($raiser)");
}

sub guard
{
    my ($self) = @_;
    return $self->leaf if chance(0.3);
    my $column = $self->of_class(pick(qw(int text bool date plain int text num)));
    my $guard = $self->of($column, $column->{class} eq 'bool' ? 'truth' : pick(qw(compare among among nullness between), $column->{class} eq 'text' ? ('like') x 2 : ()));
    return "($guard)";
}

1;
