#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""recipes.py github|gitlab FILE JOB FOLDER [NAME=VALUE]... -- ENTER...

Runs the steps of a job of a CI's file. ENTER is a command that runs its arguments where the job is to run, in
the folder that is FOLDER here and /checkout there. NAME is a variable of the repository or project.
"""
import re
import subprocess
import sys

import yaml


class Place:
    def __init__(self, enter):
        self.enter = enter
        self.path = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin']

    def run(self, name, shell, script, env):
        print('step', name, flush=True)
        env = dict(env, PATH=':'.join(self.path))
        words = ['env'] + [f'{key}={value}' for key, value in env.items()] + shell + ['-c', script]
        if subprocess.run(self.enter + words, stdin=subprocess.DEVNULL, timeout=300).returncode:
            sys.exit(f'the step failed: {name}')

    def add_paths(self):
        """What the steps have written to GITHUB_PATH"""
        added = subprocess.run(self.enter + ['cat', '/tmp/path'], stdout=subprocess.PIPE, text=True)
        for folder in added.stdout.split():
            if folder not in self.path:
                self.path.insert(0, folder)


def expand(text, values):
    return re.sub(r'\$\{\{ *([a-z]+\.\w+) *\}\}', lambda match: values[match[1]], str(text))


def github_action(place, folder, name, given):
    with open(f'{folder}/{name}/action.yml') as file:
        action = yaml.safe_load(file)
    assert action['runs']['using'] == 'composite'
    unknown = set(given) - set(action['inputs'])
    assert not unknown, f'the action has no input {unknown}'
    values = {f'inputs.{key}': given.get(key, value['default']) for key, value in action['inputs'].items()}
    for step in action['runs']['steps']:
        assert step['shell'] == 'bash'
        github_run(place, step, values)


def github_run(place, step, values):
    env = {key: expand(value, values) for key, value in step.get('env', {}).items()}
    env |= {'GITHUB_PATH': '/tmp/path', 'RUNNER_TEMP': '/tmp'}
    shell = ['bash', '-e'] if 'shell' not in step else ['bash', '--noprofile', '--norc', '-eo', 'pipefail']
    place.run(step['name'], shell, expand(step['run'], values), env)
    place.add_paths()


def github(place, job, folder, variables):
    values = {f'vars.{key}': value for key, value in variables.items()}
    for step in job['steps']:
        if 'run' in step:
            github_run(place, step, values)
        elif step['uses'].startswith('./'):
            given = {key: expand(value, values) for key, value in step.get('with', {}).items()}
            github_action(place, folder, step['uses'], given)
        else:
            assert step['uses'].startswith('actions/checkout@'), step['uses']


def gitlab(place, job, _, variables):
    """All lines are one script there."""
    place.run('before_script, script', ['bash', '-eo', 'pipefail'],
              '\n'.join(job['before_script'] + job['script']), variables)


def main():
    words = sys.argv[1:]
    end = words.index('--')
    kind, path, name, folder = words[:4]
    with open(path) as file:
        jobs = yaml.safe_load(file)
    job = (jobs['jobs'] if kind == 'github' else jobs)[name]
    variables = dict(word.split('=', 1) for word in words[4:end])
    {'github': github, 'gitlab': gitlab}[kind](Place(words[end + 1:]), job, folder, variables)


main()
